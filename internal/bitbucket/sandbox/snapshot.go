package sandbox

import "strconv"

// The files of every generated repository. Their number is fixed so that a history of many thousand commits costs
// a few hashes per commit.
const (
	fileIgnore = iota
	fileReadme
	filePipelines
	fileGuide // docs/
	fileManual
	fileSource // src/, up to fileCount
	fileCount  = fileSource + 8
)

// snapshot is the content of a working tree: the names of the blobs and of the two folders' trees.
type snapshot struct {
	blobs     [fileCount]hash
	docs, src hash
}

func extension(language string) string {
	switch language {
	case "go":
		return ".go"
	case "java":
		return ".java"
	case "typescript":
		return ".ts"
	case "python":
		return ".py"
	case "rust":
		return ".rs"
	case "ruby":
		return ".rb"
	}
	return ".txt"
}

func appendEntry(b []byte, mode, name, suffix string, h hash) []byte {
	b = append(b, mode...)
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, suffix...)
	b = append(b, 0)
	return append(b, h[:]...)
}

// historian writes the generated history of one repository.
type historian struct {
	enc     encoder
	scratch []byte
	seed    uint64
	ext     string
	words   []string
	out     sink
}

// write stores one version of a file and returns its blob.
func (h *historian) write(file int, version uint64) hash {
	r := derive(h.seed, uint64(file), version)
	b := h.scratch[:0]
	switch file {
	case fileIgnore:
		b = append(b, "build/\n*.log\n"...)
	case fileReadme:
		b = append(b, "# Made up for the sandbox\n\n"...)
	case filePipelines:
		b = append(b, "pipelines:\n  default:\n    - step:\n        script:\n          - make test\n# "...)
	}
	for range 3 + r.intn(8) {
		for range 3 + r.intn(5) {
			b = append(b, h.words[r.intn(len(h.words))]...)
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, r.next()%100000, 10)
		b = append(b, '\n')
		if file == filePipelines {
			break
		}
	}
	h.scratch = b
	return h.enc.put(blobObject, b)
}

// set puts a blob into the snapshot and renews the tree of its folder.
func (h *historian) set(s *snapshot, file int, blob hash) {
	s.blobs[file] = blob
	switch {
	case file >= fileSource:
		s.src = h.source(s)
	case file >= fileGuide:
		s.docs = h.manuals(s)
	}
}

func (h *historian) source(s *snapshot) hash {
	b := h.scratch[:0]
	for i := fileSource; i < fileCount; i++ {
		b = appendEntry(b, "100644", "module_"+string(rune('a'+i-fileSource)), h.ext, s.blobs[i])
	}
	h.scratch = b
	return h.enc.put(treeObject, b)
}

func (h *historian) manuals(s *snapshot) hash {
	b := appendEntry(h.scratch[:0], "100644", "guide.md", "", s.blobs[fileGuide])
	b = appendEntry(b, "100644", "manual.md", "", s.blobs[fileManual])
	h.scratch = b
	return h.enc.put(treeObject, b)
}

func (h *historian) root(s *snapshot) hash {
	b := appendEntry(h.scratch[:0], "100644", ".gitignore", "", s.blobs[fileIgnore])
	b = appendEntry(b, "100644", "README.md", "", s.blobs[fileReadme])
	b = appendEntry(b, "100644", "bitbucket-pipelines.yml", "", s.blobs[filePipelines])
	b = appendEntry(b, "40000", "docs", "", s.docs)
	b = appendEntry(b, "40000", "src", "", s.src)
	h.scratch = b
	return h.enc.put(treeObject, b)
}

// begin fills an empty snapshot.
func (h *historian) begin() *snapshot {
	s := &snapshot{}
	for f := range fileCount {
		s.blobs[f] = h.write(f, 0)
	}
	s.src, s.docs = h.source(s), h.manuals(s)
	return s
}

// record stores a commit.
func (h *historian) record(c *commit) hash {
	h.scratch = appendCommit(h.scratch[:0], c)
	c.hash = h.enc.put(commitObject, h.scratch)
	if h.out != nil {
		h.out.commit(*c)
	}
	return c.hash
}
