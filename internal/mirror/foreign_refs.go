package mirror

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// readRefs reads HEAD, the refs and where a shallow clone ends, by themselves: git would first read the configuration
// that stands beside them.
func (t *theirs) readRefs() error {
	t.found = map[string]string{}
	packed, err := t.read("packed-refs", t.limits.Output)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(packed) {
		hash, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "^") {
			continue
		}
		if err := t.take(name, hash); err != nil {
			return err
		}
	}
	if err := t.loose("refs", 0); err != nil {
		return err
	}
	if t.head, err = t.read("HEAD", 8<<10); err != nil {
		return err
	}
	t.head = strings.TrimSpace(t.head)
	shallow, err := t.read("shallow", t.limits.Output)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var ends strings.Builder
	for line := range strings.Lines(shallow) {
		if hash := strings.TrimSpace(line); isHash(hash) {
			ends.WriteString(hash + "\n")
		}
	}
	t.shallow = ends.String()
	return nil
}

// maxDepth is how deep the folders of refs may be.
const maxDepth = 64

// loose reads the files below a folder of refs. They win over the packed ones.
func (t *theirs) loose(dir string, depth int) error {
	list, err := t.entries(dir)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return t.refuse("its refs are in more than 64 folders within each other")
	}
	for _, d := range list {
		name := dir + "/" + d.Name()
		switch {
		case d.IsDir():
			if err := t.loose(name, depth+1); err != nil {
				return err
			}
		case !validRef(name):
			// Such as what an editor left; git does not take it for a ref either.
		case !d.Type().IsRegular():
			return t.refuse(name + " is no file")
		default:
			text, err := t.read(name, 8<<10)
			if err != nil {
				return err
			}
			if err := t.take(name, strings.TrimSpace(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// take keeps a ref that points at an object. Others, and those that make git see another object than is asked for,
// are left out.
func (t *theirs) take(name, hash string) error {
	if !isHash(hash) || !strings.HasPrefix(name, "refs/") || !validRef(name) || strings.HasPrefix(name, "refs/replace/") {
		return nil
	}
	t.found[name] = hash
	if len(t.found) > t.limits.Refs {
		return fault.Wrap(ErrTooLarge, fault.Unavailable, "the repository at %s has more than %d refs", t.folder, t.limits.Refs)
	}
	return nil
}

// list returns the refs in order, HEAD first.
func (t *theirs) list() []Ref {
	var all []Ref
	target, symbolic := t.headTarget()
	switch hash := t.found[target]; {
	case symbolic && hash != "":
		all = append(all, Ref{Name: headName, Hash: hash, Target: target})
	case !symbolic && isHash(t.head):
		all = append(all, Ref{Name: headName, Hash: t.head})
	}
	for _, name := range slices.Sorted(maps.Keys(t.found)) {
		all = append(all, Ref{Name: name, Hash: t.found[name]})
	}
	return all
}

// headTarget returns the branch that HEAD means.
func (t *theirs) headTarget() (string, bool) {
	target, ok := strings.CutPrefix(t.head, "ref:")
	target = strings.TrimSpace(target)
	return target, ok && strings.HasPrefix(target, heads) && validRef(target)
}

// headLine returns HEAD of our repository.
func (t *theirs) headLine() string {
	if target, ok := t.headTarget(); ok {
		return "ref: " + target + "\n"
	}
	if isHash(t.head) {
		return t.head + "\n"
	}
	return "ref: refs/heads/windlass\n"
}

// packedRefs returns the refs as our repository keeps them.
func (t *theirs) packedRefs() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.found)) {
		b.WriteString(t.found[name] + " " + name + "\n")
	}
	return b.String()
}
