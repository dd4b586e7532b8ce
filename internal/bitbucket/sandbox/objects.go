package sandbox

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// objects is the bare repository on disk. What is pushed is unpacked (receive.unpackLimit), so every object is either
// loose, in the one pack written here without deltas, or, for an import, in the folder it was imported from.
//
// What control acts make stays in memory until git asks, since most of it never does.
type objects struct {
	dir     string
	pack    string
	offsets map[hash]uint32

	mu      sync.Mutex
	pending map[hash]object // not on disk yet
	stale   bool            // the refs on disk are not those of the graph
}

// object is an object that git has not asked for yet.
type object struct {
	kind objectKind
	data []byte
}

// bareConfig lets clients fetch whatever hash REST names, and filter.
const bareConfig = `[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = /dev/null
[uploadpack]
	allowAnySHA1InWant = true
	allowFilter = true
[receive]
	unpackLimit = 100000000
	autogc = false
	denyDeleteCurrent = ignore
	hideRefs = refs/pull-requests
[gc]
	auto = 0
`

// makeBare lays out an empty bare repository.
func makeBare(dir, main string) (*objects, error) {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: refs/heads/"+main+"\n"), 0o600); err != nil {
		return nil, err // git takes a folder without HEAD for no repository
	}
	return &objects{dir: dir}, os.WriteFile(filepath.Join(dir, "config"), []byte(bareConfig), 0o600)
}

// disk returns the repository on disk, as git is to find it. It may be called with the world locked for reading.
func (s *Sandbox) disk(r *repo) (*objects, error) {
	d, err := s.objects(r)
	if err != nil {
		return nil, err
	}
	return d, d.flush(r, r.ws.world.graph(r))
}

// flush writes what control acts have changed.
func (d *objects) flush(r *repo, g *graph) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for h, o := range d.pending {
		if err := d.save(h, o); err != nil {
			return err
		}
		delete(d.pending, h)
	}
	if !d.stale {
		return nil
	}
	if err := d.saveRefs(r, g); err != nil {
		return err
	}
	d.stale = false
	return nil
}

// changed says that the refs of the graph are other ones now.
func (d *objects) changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stale = true
}

// objects returns the repository, which is written to disk when it is first needed. It may be called with the world
// locked for reading.
func (s *Sandbox) objects(r *repo) (*objects, error) {
	if d := r.history.disk.Load(); d != nil {
		return d, nil
	}
	g := r.ws.world.graph(r)
	// Whoever changes a repository has it written first. Its forks are made of what was generated, so they go before it.
	for _, f := range r.forks {
		if _, err := s.objects(f); err != nil {
			return nil, err
		}
	}
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	if d := r.history.disk.Load(); d != nil {
		return d, nil
	}
	root, err := s.folder()
	if err != nil {
		return nil, err
	}
	d, err := makeBare(filepath.Join(root, strings.Trim(r.id.String(), "{}")+".git"), r.main)
	if err != nil {
		return nil, err
	}
	p := newPacker()
	r.ws.world.writeHistory(r, p)
	if len(p.entries) > 0 {
		if d.pack, err = p.save(filepath.Join(d.dir, "objects", "pack")); err != nil {
			return nil, err
		}
		d.offsets = make(map[hash]uint32, len(p.entries))
		for _, e := range p.entries {
			d.offsets[e.hash] = e.offset
		}
	}
	if err := d.saveRefs(r, g); err != nil {
		return nil, err
	}
	r.history.disk.Store(d)
	return d, nil
}

// saveRefs makes the repository's refs those of the graph and HEAD the main branch. They are kept in packed-refs; loose
// ones, which pushes leave behind, are removed after it. On Data Center every pull request has a ref of its own
// (FACTS 157); unlike a real one's, it never lags behind.
func (d *objects) saveRefs(r *repo, g *graph) error {
	if err := d.replace("HEAD", []byte("ref: refs/heads/"+r.main+"\n")); err != nil {
		return err
	}
	refs := map[string]hash{}
	for n, h := range g.branches {
		refs["refs/heads/"+n] = h
	}
	for n, h := range g.tags {
		if object, annotated := g.objects[n]; annotated {
			h = object
		}
		refs["refs/tags/"+n] = h
	}
	if r.ws.world.instance {
		for _, p := range r.prs {
			refs["refs/pull-requests/"+strconv.Itoa(int(p.id))+"/from"] = p.srcHash
		}
	}
	var b bytes.Buffer
	b.WriteString("# pack-refs with: sorted \n")
	for _, n := range slices.Sorted(maps.Keys(refs)) {
		fmt.Fprintf(&b, "%s %s\n", refs[n], n)
	}
	if err := d.replace("packed-refs", b.Bytes()); err != nil {
		return err
	}
	for _, sub := range []string{"refs/heads", "refs/tags"} {
		path := filepath.Join(d.dir, sub)
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file of the repository in one step, since a git that runs at the same time takes a folder with half
// a HEAD for no repository.
func (d *objects) replace(name string, data []byte) error {
	tmp := filepath.Join(d.dir, name+".new")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(d.dir, name))
}

func (d *objects) loose(h hash) string {
	name := h.String()
	return filepath.Join(d.dir, "objects", name[:2], name[2:])
}

// write keeps an object.
func (d *objects) write(kind objectKind, h hash, data []byte) {
	if _, ok := d.offsets[h]; ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending == nil {
		d.pending = map[hash]object{}
	}
	d.pending[h] = object{kind, slices.Clone(data)}
}

// save writes a loose object, unless it is there already.
func (d *objects) save(h hash, o object) error {
	path := d.loose(h)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	kind, data := o.kind, o.data
	var b bytes.Buffer
	zw := zlib.NewWriter(&b)
	_, err := zw.Write(append([]byte(kind.String()+" "+strconv.Itoa(len(data))+"\x00"), data...))
	if err = errors.Join(err, zw.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o400)
}

// read returns the bytes of an object.
func (d *objects) read(h hash) ([]byte, error) {
	d.mu.Lock()
	o, ok := d.pending[h]
	d.mu.Unlock()
	if ok {
		return o.data, nil
	}
	raw, err := os.ReadFile(d.loose(h))
	if err == nil {
		data, err := inflate(bytes.NewReader(raw))
		_, data, ok := bytes.Cut(data, []byte{0})
		if !ok {
			return nil, fmt.Errorf("object %s: %w", h, errors.Join(err, io.ErrUnexpectedEOF))
		}
		return data, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	offset, ok := d.offsets[h]
	if !ok {
		return d.catFile(h)
	}
	f, err := os.Open(d.pack)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := f.ReadAt(head, int64(offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	skip := 1
	for skip < n && head[skip-1]&0x80 != 0 {
		skip++
	}
	return inflate(io.NewSectionReader(f, int64(offset)+int64(skip), 1<<40))
}

func inflate(r io.Reader) ([]byte, error) {
	zr, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zr)
}
