package sandbox

import (
	"crypto/sha1" //nolint:gosec // Git's object names are SHA-1.
	"encoding/hex"
	"strconv"
)

// hash is the name of a git object.
type hash [sha1.Size]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

func (h hash) appendHex(b []byte, digits int) []byte {
	for i := range digits {
		c := h[i/2]
		if i%2 == 0 {
			c >>= 4
		}
		b = append(b, hexDigits[c&15])
	}
	return b
}

func parseHash(s string) (hash, bool) {
	var h hash
	if len(s) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

type objectKind uint8

// The kinds, numbered as in a pack file.
const (
	commitObject objectKind = 1
	treeObject   objectKind = 2
	blobObject   objectKind = 3
)

func (k objectKind) String() string {
	switch k {
	case commitObject:
		return "commit"
	case treeObject:
		return "tree"
	case blobObject:
		return "blob"
	}
	return "tag"
}

// encoder names objects and passes them on. Its buffer is reused, so an object is valid during the call only.
type encoder struct {
	buf []byte
	out sink // nil: only names are wanted
}

// sink receives the objects and commits of a history in an order in which whatever is referred to comes first.
type sink interface {
	object(kind objectKind, h hash, data []byte)
	commit(c commit)
}

func (e *encoder) put(kind objectKind, data []byte) hash {
	e.buf = append(e.buf[:0], kind.String()...)
	e.buf = append(e.buf, ' ')
	e.buf = strconv.AppendInt(e.buf, int64(len(data)), 10)
	e.buf = append(e.buf, 0)
	e.buf = append(e.buf, data...)
	h := hash(sha1.Sum(e.buf)) //nolint:gosec // See above.
	if e.out != nil {
		e.out.object(kind, h, data)
	}
	return h
}

// commit is a commit as REST shows it.
type commit struct {
	hash      hash
	tree      hash
	parents   []hash
	author    ident
	committer ident
	at        int64 // seconds, of the author
	done      int64 // seconds, of the committer
	message   string
}

// ident is a name in a commit, with the account it belongs to, if any.
type ident struct {
	user  *user
	name  string
	email string
}

func (u *user) ident() ident { return ident{user: u, name: u.signed, email: u.email} }

func (i ident) raw() string { return i.name + " <" + i.email + ">" }

// appendCommit appends the bytes of a commit object. Characters that git strips from identities are left out.
func appendCommit(b []byte, c *commit) []byte {
	b = append(b, "tree "...)
	b = c.tree.appendHex(b, 40)
	for _, p := range c.parents {
		b = append(b, "\nparent "...)
		b = p.appendHex(b, 40)
	}
	b = append(b, "\nauthor "...)
	b = appendIdent(b, c.author, c.at)
	b = append(b, "\ncommitter "...)
	b = appendIdent(b, c.committer, c.done)
	b = append(b, "\n\n"...)
	return append(b, c.message...)
}

func appendIdent(b []byte, i ident, at int64) []byte {
	for _, c := range []byte(i.name) {
		if c != '<' && c != '>' && c != '\n' {
			b = append(b, c)
		}
	}
	b = append(b, ' ', '<')
	b = append(b, i.email...)
	b = append(b, '>', ' ')
	b = strconv.AppendInt(b, at, 10)
	return append(b, " +0000"...)
}
