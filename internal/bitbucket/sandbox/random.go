package sandbox

// random is a SplitMix64 generator. It is a value of eight bytes, so every object can have a generator of its own,
// derived from the seed and the object's place; no object's data depends on how many others were made before it.
type random struct{ s uint64 }

// derive returns the generator of the object found at path below seed.
func derive(seed uint64, path ...uint64) random {
	s := mix(seed ^ 0x5851f42d4c957f2d)
	for _, p := range path {
		s = mix(s ^ mix(p+0x9e3779b97f4a7c15))
	}
	return random{s}
}

func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func (r *random) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	return mix(r.s)
}

// intn returns a number in [0,n); n must be positive.
func (r *random) intn(n int) int { return int(r.next() % uint64(n)) }

// unit returns a number in [0,1).
func (r *random) unit() float64 { return float64(r.next()>>11) / (1 << 53) }

func (r *random) chance(p float64) bool { return r.unit() < p }

// skewed returns a number in [0,n) of which small ones are far more likely: a power law.
func (r *random) skewed(n int) int {
	u := r.unit()
	return int(float64(n) * u * u * u)
}

// span returns a whole number of [lo,hi].
func (r *random) span(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + int64(r.next()%uint64(hi-lo+1))
}

func (r *random) uuid() uuid {
	var id uuid
	a, b := r.next(), r.next()
	for i := range 8 {
		id[i] = byte(a >> (8 * i))
		id[8+i] = byte(b >> (8 * i))
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func pick[T any](r *random, of []T) T { return of[r.intn(len(of))] }

// uuid is the identity of every object; Bitbucket writes it in curly braces.
type uuid [16]byte

const hexDigits = "0123456789abcdef"

// appendBare appends the 36 characters without braces.
func (u uuid) appendBare(b []byte) []byte {
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// String returns the id in curly braces.
func (u uuid) String() string {
	return string(append(u.appendBare(append(make([]byte, 0, 38), '{')), '}'))
}

// parseUUID reads an id in curly braces, in either case.
func parseUUID(s string) (uuid, bool) {
	var u uuid
	if len(s) != 38 || s[0] != '{' || s[37] != '}' {
		return u, false
	}
	s = s[1:37]
	n := 0
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return u, false
			}
			continue
		}
		var d byte
		switch {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c >= 'a' && c <= 'f':
			d = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			d = c - 'A' + 10
		default:
			return u, false
		}
		u[n/2] = u[n/2]<<4 | d
		n++
	}
	return u, true
}
