package mirror

// ParseRefs reads what ls-remote prints, in pieces of some size.
func ParseRefs(text []byte, size, most int) ([]Ref, error) {
	l := refList{max: most}
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := l.Write(text[:n]); err != nil {
			return nil, err
		}
		text = text[n:]
	}
	return l.end()
}

// ValidRef is validRef.
func ValidRef(s string) bool { return validRef(s) }
