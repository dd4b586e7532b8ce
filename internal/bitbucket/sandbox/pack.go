package sandbox

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // Git's checksums are SHA-1.
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
)

// packer is a sink that collects a git pack file without deltas, and its index.
type packer struct {
	body    bytes.Buffer
	zw      *zlib.Writer
	entries []packEntry
	seen    map[hash]bool
	err     error
}

type packEntry struct {
	hash   hash
	crc    uint32
	offset uint32
}

const packHeader = 12

func newPacker() *packer {
	zw, err := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	return &packer{zw: zw, seen: map[hash]bool{}, err: err}
}

func (p *packer) commit(commit) {}

func (p *packer) object(kind objectKind, h hash, data []byte) {
	if p.err != nil || p.seen[h] {
		return
	}
	p.seen[h] = true
	start := p.body.Len()
	size := len(data)
	c := byte(kind)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		p.body.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	p.body.WriteByte(c)
	p.zw.Reset(&p.body)
	if _, p.err = p.zw.Write(data); p.err != nil {
		return
	}
	p.err = p.zw.Close()
	p.entries = append(p.entries, packEntry{h, crc32.ChecksumIEEE(p.body.Bytes()[start:]), uint32(packHeader + start)})
}

// save writes pack and index into an objects/pack folder and returns the path of the pack.
func (p *packer) save(folder string) (string, error) {
	if p.err != nil {
		return "", p.err
	}
	head := make([]byte, packHeader)
	copy(head, "PACK")
	binary.BigEndian.PutUint32(head[4:], 2)
	binary.BigEndian.PutUint32(head[8:], uint32(len(p.entries)))
	sum := sha1.New() //nolint:gosec // See above.
	sum.Write(head)
	sum.Write(p.body.Bytes())
	name := sum.Sum(nil)

	base := filepath.Join(folder, "pack-"+hash(name).String())
	f, err := os.Create(base + ".pack")
	if err != nil {
		return "", err
	}
	for _, part := range [][]byte{head, p.body.Bytes(), name} {
		if _, err := f.Write(part); err != nil {
			_ = f.Close()
			return "", err
		}
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return base + ".pack", os.WriteFile(base+".idx", p.index(name), 0o600)
}

// index is version 2 of git's pack index.
func (p *packer) index(packName []byte) []byte {
	slices.SortFunc(p.entries, func(a, b packEntry) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	b := []byte("\xfftOc\x00\x00\x00\x02")
	n := 0
	for first := range 256 {
		for n < len(p.entries) && int(p.entries[n].hash[0]) <= first {
			n++
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	for _, e := range p.entries {
		b = append(b, e.hash[:]...)
	}
	for _, e := range p.entries {
		b = binary.BigEndian.AppendUint32(b, e.crc)
	}
	for _, e := range p.entries {
		b = binary.BigEndian.AppendUint32(b, e.offset)
	}
	b = append(b, packName...)
	sum := sha1.Sum(b) //nolint:gosec // See above.
	return append(b, sum[:]...)
}
