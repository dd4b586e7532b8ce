package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks follows every relative link of every page to the file, and to the heading where it names one.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pages := markdown(t)
	if len(pages) < 8 {
		t.Fatalf("found %d pages; the walk is broken", len(pages))
	}
	for page, text := range pages {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			to := page
			if file != "" {
				to = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, target)
				continue
			}
			if anchor != "" && !strings.Contains(anchors(pages[to]), "#"+anchor+"\n") {
				t.Errorf("%s links to %s, which has no such heading", page, target)
			}
		}
	}
}

// markdown returns every page of the repository by its path from here.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(file) != ".md":
			return nil
		}
		text, err := os.ReadFile(file)
		pages[filepath.Clean(file)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// anchors returns the anchors of a page's headings as the usual renderers build them, one per line.
func anchors(text string) string {
	drop := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	var b strings.Builder
	for line := range strings.Lines(text) {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			name := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			b.WriteString("#" + strings.ReplaceAll(name, " ", "-") + "\n")
		}
	}
	return b.String()
}
