package query

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIndexesHaveTheClassesOfThePlanner reads the migration that makes the indexes: an expression that differs from the
// planner's is answered by none of them.
func TestIndexesHaveTheClassesOfThePlanner(t *testing.T) {
	files, err := filepath.Glob("../store/migrations/*/0005_moments.sql")
	if err != nil || len(files) != 2 {
		t.Fatalf("found %q and error %v, want the migration of both databases", files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(b)), " ")
		for expr, want := range map[string]int{span: 2, judged: 2} {
			if got := strings.Count(text, strings.ReplaceAll(expr, "e.", "")); got != want {
				t.Errorf("%s has %d indexes on %s, want %d", file, got, expr, want)
			}
		}
	}
}
