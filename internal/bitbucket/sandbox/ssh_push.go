package sandbox

import (
	"bufio"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxPush is how large a push may be.
const maxPush = 2 << 30

var errLargePush = errors.New("it is larger than 2 GiB")

// pushReader reads a push off a stream and keeps what it has read. Over SSH the client waits for the report without
// ending its side, so where a push ends must be seen in its bytes.
type pushReader struct {
	in  *bufio.Reader
	out *bufio.Writer
	n   int64
}

// copyPush copies one push, commands and pack, and not a byte more. It returns false where the client has nothing to
// push.
func copyPush(to io.Writer, from *bufio.Reader) (bool, error) {
	p := &pushReader{in: from, out: bufio.NewWriterSize(to, 64<<10)}
	commands, pack, options, err := p.commands()
	if err == nil && options {
		err = p.untilFlush(func(string) {})
	}
	if err == nil && pack {
		err = p.pack()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return commands, errors.Join(err, p.out.Flush())
}

// Read implements io.Reader.
func (p *pushReader) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	if err == nil {
		err = p.keep(b[:n])
	}
	return n, err
}

// ReadByte implements io.ByteReader; with it, decompression reads no byte behind its end.
func (p *pushReader) ReadByte() (byte, error) {
	b, err := p.in.ReadByte()
	if err != nil {
		return 0, err
	}
	if p.n++; p.n > maxPush {
		return 0, errLargePush
	}
	return b, p.out.WriteByte(b)
}

func (p *pushReader) keep(b []byte) error {
	if p.n += int64(len(b)); p.n > maxPush {
		return errLargePush
	}
	_, err := p.out.Write(b)
	return err
}

// untilFlush passes the lines of a list on; its end is an empty packet.
func (p *pushReader) untilFlush(line func(string)) error {
	for {
		var head [4]byte
		if _, err := io.ReadFull(p, head[:]); err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(head[:]), 16, 16)
		if err != nil || n > 0 && n < 4 {
			return fmt.Errorf("%q is no length of a line", head[:])
		}
		if n == 0 {
			return nil
		}
		text := make([]byte, n-4)
		if _, err := io.ReadFull(p, text); err != nil {
			return err
		}
		line(string(text))
	}
}

// commands reads what is to be done to the refs: whether there is anything, whether a pack follows (it does unless
// everything is deleted), and whether push options do.
func (p *pushReader) commands() (some, pack, options bool, err error) {
	err = p.untilFlush(func(line string) {
		line, capabilities, _ := strings.Cut(line, "\x00")
		if strings.HasPrefix(line, "shallow ") {
			return
		}
		some = true
		if f := strings.Fields(line); len(f) > 1 && strings.Trim(f[1], "0") != "" {
			pack = true
		}
		for c := range strings.FieldsSeq(capabilities) {
			options = options || c == "push-options"
		}
	})
	return some, pack, options, err
}

// Kinds of objects in a pack that refer to another one by a number or by its name.
const (
	deltaByOffset = 6
	deltaByName   = 7
)

// pack reads a pack: a header with the number of objects, the objects, a checksum. Git itself checks what is in it.
func (p *pushReader) pack() error {
	var head [12]byte
	if _, err := io.ReadFull(p, head[:]); err != nil {
		return err
	}
	if string(head[:4]) != "PACK" || binary.BigEndian.Uint32(head[4:]) != 2 {
		return errors.New("what follows the commands is no pack of version 2")
	}
	var inflate io.ReadCloser
	for range binary.BigEndian.Uint32(head[8:]) {
		if err := p.entryHead(); err != nil {
			return err
		}
		var err error
		if inflate == nil {
			inflate, err = zlib.NewReader(p)
		} else if again, ok := inflate.(zlib.Resetter); ok {
			err = again.Reset(p, nil)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, inflate)
		}
		if err != nil {
			return fmt.Errorf("an object of the pack: %w", err)
		}
	}
	var sum [20]byte
	_, err := io.ReadFull(p, sum[:])
	return err
}

// entryHead reads what stands before an object's compressed bytes: kind, size and, of a delta, its base.
func (p *pushReader) entryHead() error {
	first, err := p.number()
	if err != nil {
		return err
	}
	switch first >> 4 & 7 {
	case deltaByOffset:
		_, err = p.number()
	case deltaByName:
		var base [20]byte
		_, err = io.ReadFull(p, base[:])
	}
	return err
}

// number reads a number of as many bytes as it needs and returns its first.
func (p *pushReader) number() (byte, error) {
	first, err := p.ReadByte()
	for b := first; err == nil && b&0x80 != 0; {
		b, err = p.ReadByte()
	}
	return first, err
}
