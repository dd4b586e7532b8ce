package sandbox

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestQuotedPathsRoundTrip quotes as git does (sq_quote_buf) and reads back.
func TestQuotedPathsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.StringOf(rapid.RuneFrom([]rune("ab/~.'!\\\" $`\n;é"))).Draw(t, "path")
		quoted := "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
		c, ok := parseSSHCommand("git-upload-pack " + quoted)
		if !ok || c.path != path || c.service != "upload-pack" {
			t.Errorf("%s is read as %+v, %v", quoted, c, ok)
		}
		for _, bad := range []string{quoted + " ", quoted + "x", " " + quoted, quoted + quoted, quoted[:len(quoted)-1], quoted[1:], quoted + ` '-x'`} {
			if c, ok := parseSSHCommand("git-upload-pack " + bad); ok && bad != "" {
				t.Errorf("%s is taken as %q", bad, c.path)
			}
		}
	})
}

func TestOwnersOfPaths(t *testing.T) {
	for path, want := range map[string]string{
		"/acme/repo.git": "acme repo true", "acme/repo": "acme repo true", "/~user/repo.git": "~user repo true", "~user/repo.git/": "~user repo true",
		"/acme": "acme  false", "/": "  false", "": "  false", "/acme/a/b": "acme a/b false", "//acme//x": "acme /x false", "/acme/.git": "acme  false",
	} {
		owner, name, ok := sshCommand{path: path}.owned()
		if got := fmt.Sprint(owner, " ", name, " ", ok); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

func packet(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

// drawPush makes a push as clients send it, with objects of every kind, and says whether anything is asked for.
func drawPush(t *rapid.T) (push []byte, wanted bool) {
	const none, some = "0000000000000000000000000000000000000000", "89abcdef0123456789abcdef0123456789abcdef"
	var b bytes.Buffer
	pack, options := false, rapid.Bool().Draw(t, "options")
	if rapid.Bool().Draw(t, "shallow") {
		b.WriteString(packet("shallow " + some))
	}
	n := rapid.IntRange(0, 4).Draw(t, "commands")
	for i := range n {
		to := rapid.SampledFrom([]string{none, some}).Draw(t, "to")
		pack = pack || to == some
		line := some + " " + to + " refs/heads/b"
		if i == 0 {
			line += "\x00 report-status side-band-64k"
			if options {
				line += " push-options"
			}
		}
		b.WriteString(packet(line))
	}
	b.WriteString("0000")
	if options && n > 0 {
		b.WriteString(packet("ci.skip") + "0000")
	}
	if !pack {
		return b.Bytes(), n > 0
	}
	objects := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 6).Draw(t, "objects")
	b.WriteString("PACK")
	b.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 2), uint32(len(objects))))
	for _, o := range objects {
		kind := rapid.SampledFrom([]byte{1, 2, 3, 4, deltaByOffset, deltaByName}).Draw(t, "kind")
		size := len(o)
		c := kind<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			b.WriteByte(c | 0x80)
			c = byte(size & 0x7f)
		}
		b.WriteByte(c)
		switch kind {
		case deltaByOffset:
			b.Write([]byte{0x81, 0x82, 0x03}[rapid.IntRange(0, 2).Draw(t, "offset"):])
		case deltaByName:
			b.WriteString(strings.Repeat("n", 20))
		}
		zw, err := zlib.NewWriterLevel(&b, rapid.SampledFrom([]int{0, 1, 9}).Draw(t, "level"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := zw.Write(o); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString(strings.Repeat("c", 20))
	return b.Bytes(), true
}

// TestPushIsReadToItsEndAndNoFurther puts something behind a push that must stay there.
func TestPushIsReadToItsEndAndNoFurther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		push, wanted := drawPush(t)
		in := bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(string(push)+"behind")), 16)
		var out bytes.Buffer
		got, err := copyPush(&out, in)
		if err != nil || got != wanted {
			t.Fatalf("wanted = %v, %v; should be %v", got, err, wanted)
		}
		if !bytes.Equal(out.Bytes(), push) {
			t.Errorf("%d bytes were kept of %d", out.Len(), len(push))
		}
		if rest, err := io.ReadAll(in); err != nil || string(rest) != "behind" {
			t.Errorf("what is left is %q, %v", rest, err)
		}
		cut := rapid.IntRange(0, len(push)-1).Draw(t, "cut")
		if _, err := copyPush(io.Discard, bufio.NewReader(bytes.NewReader(push[:cut]))); err == nil {
			t.Errorf("%d bytes of %d pass as a push", cut, len(push))
		}
	})
}

func TestNoPush(t *testing.T) {
	const command = "0000000000000000000000000000000000000000 89abcdef0123456789abcdef0123456789abcdef refs/heads/b\x00 report-status"
	for name, text := range map[string]string{
		"a length that is none": "zzzz", "a length below its own": "0003", "another pack": packet(command) + "0000PACK\x00\x00\x00\x09\x00\x00\x00\x00",
		"no pack": packet(command) + "0000not a pack at all", "a spoiled object": packet(command) + "0000PACK\x00\x00\x00\x02\x00\x00\x00\x01\x30spoiled, spoiled, spoiled",
	} {
		if _, err := copyPush(io.Discard, bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s passes as a push", name)
		}
	}
}
