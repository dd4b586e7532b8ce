package sandbox

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// entry is a line of a tree object.
type entry struct {
	mode string
	name string
	hash hash
}

func (e entry) folder() bool { return e.mode == "40000" }

// sortKey is the name as git orders it: folders as if they ended in a slash.
func (e entry) sortKey() string {
	if e.folder() {
		return e.name + "/"
	}
	return e.name
}

func (d *objects) tree(h hash) ([]entry, error) {
	if h == (hash{}) {
		return nil, nil
	}
	data, err := d.read(h)
	if err != nil {
		return nil, err
	}
	var es []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, ok2 := strings.Cut(string(head), " ")
		if !ok || !ok2 || len(rest) < len(hash{}) {
			return nil, errors.New("tree " + h.String() + " is damaged")
		}
		es = append(es, entry{mode, name, hash(rest[:len(hash{})])})
		data = rest[len(hash{}):]
	}
	return es, nil
}

// store writes new objects and remembers the first failure.
type store struct {
	disk *objects
	err  error
}

func (s *store) commit(commit) {}

func (s *store) object(kind objectKind, h hash, data []byte) {
	s.disk.write(kind, h, data)
}

func (s *store) put(kind objectKind, data []byte) hash {
	e := encoder{out: s}
	return e.put(kind, data)
}

func (s *store) putTree(es []entry) hash {
	slices.SortFunc(es, func(a, b entry) int { return strings.Compare(a.sortKey(), b.sortKey()) })
	var b []byte
	for _, e := range es {
		b = appendEntry(b, e.mode, e.name, "", e.hash)
	}
	return s.put(treeObject, b)
}

// withFile returns the tree with a file set, or removed when blob is nil.
func (s *store) withFile(tree hash, path string, content *string) hash {
	es, err := s.disk.tree(tree)
	if err != nil {
		s.err = errors.Join(s.err, err)
		return tree
	}
	name, rest, nested := strings.Cut(path, "/")
	i := slices.IndexFunc(es, func(e entry) bool { return e.name == name })
	e := entry{mode: "100644", name: name}
	switch {
	case nested:
		e.mode = "40000"
		var below hash
		if i >= 0 && es[i].folder() {
			below = es[i].hash
		}
		e.hash = s.withFile(below, rest, content)
	case content == nil:
		if i >= 0 {
			es = slices.Delete(es, i, i+1)
		}
		return s.putTree(es)
	default:
		e.hash = s.put(blobObject, []byte(*content))
	}
	if i >= 0 {
		es[i] = e
	} else {
		es = append(es, e)
	}
	return s.putTree(es)
}

// merged combines two trees that came from a common one. Where both changed the same file, theirs wins: a pull
// request in the sandbox never conflicts.
func (s *store) merged(base, ours, theirs hash) hash {
	switch {
	case ours == theirs, theirs == base:
		return ours
	case ours == base:
		return theirs
	}
	var all [3]map[string]entry
	names := map[string]bool{}
	for i, h := range []hash{base, ours, theirs} {
		es, err := s.disk.tree(h)
		if err != nil {
			s.err = errors.Join(s.err, err)
			return theirs
		}
		all[i] = map[string]entry{}
		for _, e := range es {
			all[i][e.name] = e
			names[e.name] = true
		}
	}
	var out []entry
	for name := range names {
		b, o, t := all[0][name], all[1][name], all[2][name]
		e := t
		switch {
		case t == b:
			e = o
		case o != b && o.folder() && t.folder():
			if !b.folder() {
				b.hash = hash{}
			}
			e.hash = s.merged(b.hash, o.hash, t.hash)
		}
		if e.name != "" {
			out = append(out, e)
		}
	}
	return s.putTree(out)
}
