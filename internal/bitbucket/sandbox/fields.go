package sandbox

import "strings"

// selection is the parsed `fields` parameter (FACTS 56): which keys of an answer are written. It is a tree along the
// keys; a list has the node of its elements.
//
// The three modes: `-a.b` removes, `+a.b` adds to what is shown by default, and as soon as one plain name occurs, only
// what is named is shown. `*` stands for every key of a level, those not shown by default included; what is named
// beats what a star says, so `-*,+foo` shows foo alone. Below a key that is not shown by default, `+key.part` shows
// that part alone.
type selection struct {
	include, exclude bool
	partial          bool // something below is included
	keys             map[string]*selection
	star             *selection
}

// view is where a writer stands in a selection: the node (nil below the last named key) and whether keys that are
// shown by default are shown here.
type view struct {
	node *selection
	full bool
}

// parseFields returns the view of the whole answer. An unescaped plus arrives as a space and then matches nothing,
// as the vendor's narrative warns.
func parseFields(param string, present bool) view {
	if !present || param == "" {
		return view{full: true}
	}
	root := &selection{}
	full := true
	for name := range strings.SplitSeq(param, ",") {
		if name == "" {
			continue
		}
		exclude := false
		switch name[0] {
		case '-':
			exclude, name = true, name[1:]
		case '+':
			name = name[1:]
		default:
			full = false
		}
		root.add(strings.Split(name, "."), exclude)
	}
	root.settle()
	return view{node: root, full: full}
}

func (s *selection) add(path []string, exclude bool) {
	at := s
	for i, key := range path {
		if !exclude && i > 0 {
			at.partial = true
		}
		next := at.star
		if key != "*" {
			next = at.keys[key]
		}
		if next == nil {
			next = &selection{}
			if key == "*" {
				at.star = next
			} else {
				if at.keys == nil {
					at.keys = map[string]*selection{}
				}
				at.keys[key] = next
			}
		}
		at = next
	}
	if exclude {
		at.exclude = true
	} else {
		at.include = true
	}
}

// settle copies what a star says below itself into the keys that are named beside it, so that a lookup needs one
// node only.
func (s *selection) settle() {
	for _, k := range s.keys {
		if s.star != nil {
			k.merge(s.star)
		}
		k.settle()
	}
	if s.star != nil {
		s.star.settle()
	}
}

// merge takes over what lies below from; whether s itself is shown was said by its own name, unless it was not said.
func (s *selection) merge(from *selection) {
	if !s.include && !s.exclude {
		s.include, s.exclude = from.include, from.exclude
	}
	s.partial = s.partial || from.partial
	for key, k := range from.keys {
		if s.keys == nil {
			s.keys = map[string]*selection{}
		}
		if s.keys[key] == nil {
			s.keys[key] = &selection{}
		}
		s.keys[key].merge(k)
	}
	if from.star != nil {
		if s.star == nil {
			s.star = &selection{}
		}
		s.star.merge(from.star)
	}
}

// child says whether key is shown and how what lies below it is seen.
func (v view) child(key string, byDefault bool) (view, bool) {
	if v.node == nil {
		return view{full: true}, v.full && byDefault
	}
	n := v.node.keys[key]
	if n == nil {
		n = v.node.star
	}
	if n == nil {
		return view{full: true}, v.full && byDefault
	}
	switch {
	case n.include:
		return n.below(true), true
	case n.exclude:
		return n.below(false), n.partial
	case v.full && byDefault:
		return n.below(true), true
	}
	return n.below(false), n.partial
}

func (s *selection) below(full bool) view {
	if s.keys == nil && s.star == nil {
		return view{full: full}
	}
	return view{node: s, full: full}
}
