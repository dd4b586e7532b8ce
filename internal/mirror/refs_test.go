package mirror_test

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/mirror"
)

// hash returns a hash that is easily told from others.
func hash(n int) string { return fmt.Sprintf("%040x", n) }

func TestListsOfRefsAreRead(t *testing.T) {
	text := "ref: refs/heads/main\tHEAD\n" + hash(1) + "\tHEAD\n" +
		hash(1) + "\trefs/heads/main\n" + hash(2) + "\trefs/heads/-x\n" + hash(3) + "\trefs/heads/\xff\n" +
		hash(4) + "\trefs/pull-requests/1/from\n" + hash(5) + "\trefs/tags/light\n" + hash(6) + "\trefs/tags/v1\n" + hash(1) + "\trefs/tags/v1^{}\n" +
		hash(7) + "\trefs/heads/a..b\n" + hash(7) + "\trefs/heads/x.lock\n" + hash(7) + "\trefs/heads/ \n" + hash(7) + "\trefs/heads/\x1b[2J\n"
	want := []mirror.Ref{
		{Name: "HEAD", Hash: hash(1), Target: "refs/heads/main"},
		{Name: "refs/heads/-x", Hash: hash(2)},
		{Name: "refs/heads/main", Hash: hash(1)},
		{Name: "refs/heads/\xff", Hash: hash(3)},
		{Name: "refs/tags/light", Hash: hash(5)},
		{Name: "refs/tags/v1", Hash: hash(6), Peeled: hash(1)},
	}
	for _, size := range []int{1, 7, 4096} {
		got, err := mirror.ParseRefs([]byte(text), size, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in pieces of %d (want, got):\n%s", size, diff)
		}
	}
	if got := want[5].Commit() + want[4].Commit(); got != hash(1)+hash(5) {
		t.Errorf("commits %s", got)
	}
}

func TestListsThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"no tab":               hash(1) + " refs/heads/main\n",
		"short hash":           "abc\trefs/heads/main\n",
		"capital hash":         strings.Repeat("A", 40) + "\trefs/heads/main\n",
		"the hash of nothing":  hash(0) + "\trefs/heads/main\n",
		"broken off":           hash(1) + "\trefs/heads/main",
		"a name twice":         hash(1) + "\trefs/heads/main\n" + hash(2) + "\trefs/heads/main\n",
		"two kinds of hashes":  hash(1) + "\trefs/heads/a\n" + strings.Repeat("1", 64) + "\trefs/heads/b\n",
		"a name without end":   hash(1) + "\trefs/heads/" + strings.Repeat("x", 10_000) + "\n",
		"words":                "<html>\n",
		"an empty line":        "\n",
		"a symref with no ref": "ref: \n",
	} {
		for _, size := range []int{3, 1 << 20} {
			if refs, err := mirror.ParseRefs([]byte(text), size, 100); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s: %v, %v", name, refs, err)
			}
		}
	}
	_, err := mirror.ParseRefs([]byte(hash(1)+"\trefs/heads/a\n"+hash(1)+"\trefs/heads/b\n"), 99, 1)
	if !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("more than there may be: %v", err)
	}
}

// TestNamesAreThoseOfGit asks git itself.
func TestNamesAreThoseOfGit(t *testing.T) {
	for _, name := range []string{
		"refs/heads/main", "refs/heads/-x", "refs/heads/a/b", "refs/heads/a.b", "refs/heads/é", "refs/heads/@", "refs/heads/a{b", "refs/heads/'$(x)",
		"refs/heads/", "refs//x", "/refs/x", "refs/heads/.x", "refs/heads/x.", "refs/heads/x.lock", "refs/x.lock/y", "refs/a..b", "refs/a@{b", "refs/a b", "refs/a~", "refs/a^",
		"refs/a:b", "refs/a?", "refs/a*", "refs/a[b", `refs/a\b`, "refs/a\tb", "refs/a\nb", "refs/a\x7f", "HEAD", "", "x", "refs/heads/x/",
	} {
		want := exec.Command("git", "check-ref-format", name).Run() == nil
		if got := mirror.ValidRef(name); got != want {
			t.Errorf("%q: valid is %v, git says %v", name, got, want)
		}
	}
}

func FuzzRefs(f *testing.F) {
	f.Add([]byte("ref: refs/heads/main\tHEAD\n"+hash(1)+"\tHEAD\n"+hash(1)+"\trefs/heads/main\n"), 7)
	f.Add([]byte(hash(6)+"\trefs/tags/v1\n"+hash(1)+"\trefs/tags/v1^{}\n"), 1)
	f.Add([]byte("<html>"), 100)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = 1 + size&0xff
		refs, err := mirror.ParseRefs(text, size, 50)
		whole, err2 := mirror.ParseRefs(text, 1<<20, 50)
		if (err == nil) != (err2 == nil) || !cmp.Equal(refs, whole) {
			t.Fatalf("pieces of %d: %v, %v; whole: %v, %v", size, refs, err, whole, err2)
		}
		if err != nil {
			if fault.CodeOf(err) != fault.Unavailable {
				t.Errorf("code %s", fault.CodeOf(err))
			}
			return
		}
		if len(refs) > 50 || !slices.IsSortedFunc(refs, func(a, b mirror.Ref) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%d refs: %v", len(refs), refs)
		}
		var again strings.Builder
		for _, r := range refs {
			if r.Target != "" {
				again.WriteString("ref: " + r.Target + "\t" + r.Name + "\n")
			}
			again.WriteString(r.Hash + "\t" + r.Name + "\n")
			if r.Peeled != "" {
				again.WriteString(r.Peeled + "\t" + r.Name + "^{}\n")
			}
		}
		if back, err := mirror.ParseRefs([]byte(again.String()), size, 50); err != nil || !cmp.Equal(refs, back) {
			t.Errorf("%v became %v, %v", refs, back, err)
		}
		for _, c := range append(mirror.Changes(nil, refs), mirror.Changes(refs, nil)...) {
			if c.Name == "" || (c.Old == "") == (c.New == "") {
				t.Errorf("change %+v", c)
			}
		}
	})
}

func TestChangesAreThoseOfAWebhook(t *testing.T) {
	before := []mirror.Ref{
		{Name: "HEAD", Hash: hash(1), Target: "refs/heads/main"},
		{Name: "refs/heads/gone", Hash: hash(2)},
		{Name: "refs/heads/main", Hash: hash(1)},
		{Name: "refs/heads/still", Hash: hash(3)},
		{Name: "refs/tags/anew", Hash: hash(10), Peeled: hash(3)},
		{Name: "refs/tags/moved", Hash: hash(11), Peeled: hash(3)},
	}
	after := []mirror.Ref{
		{Name: "HEAD", Hash: hash(4), Target: "refs/heads/main"},
		{Name: "refs/heads/b\xff", Hash: hash(5)},
		{Name: "refs/heads/main", Hash: hash(4)},
		{Name: "refs/heads/still", Hash: hash(3)},
		{Name: "refs/tags/anew", Hash: hash(12), Peeled: hash(3)},
		{Name: "refs/tags/gone", Hash: hash(2)},
		{Name: "refs/tags/moved", Hash: hash(13), Peeled: hash(4)},
	}
	want := []bitbucket.RefChange{
		{Name: "b\uFFFD", New: hash(5)},
		{Name: "gone", Old: hash(2)},
		{Name: "main", Old: hash(1), New: hash(4)},
		{Tag: true, Name: "gone", New: hash(2)},
		{Tag: true, Name: "moved", Old: hash(3), New: hash(4)},
	}
	if diff := cmp.Diff(want, mirror.Changes(before, after)); diff != "" {
		t.Errorf("changes (want, got):\n%s", diff)
	}
}

// TestChangesLeadFromOneListToTheOther applies them to the first.
func TestChangesLeadFromOneListToTheOther(t *testing.T) {
	lists := rapid.MapOf(rapid.SampledFrom([]string{"refs/heads/a", "refs/heads/b", "refs/tags/a", "refs/heads/a/b"}), rapid.IntRange(1, 3))
	rapid.Check(t, func(t *rapid.T) {
		from, to := lists.Draw(t, "from"), lists.Draw(t, "to")
		refs := func(m map[string]int) (all []mirror.Ref) {
			for name, n := range m {
				all = append(all, mirror.Ref{Name: name, Hash: hash(n)})
			}
			return all
		}
		state := map[string]string{}
		for name, n := range from {
			state[name] = hash(n)
		}
		for _, c := range mirror.Changes(refs(from), refs(to)) {
			name := "refs/heads/" + c.Name
			if c.Tag {
				name = "refs/tags/" + c.Name
			}
			if state[name] != c.Old || c.Old == c.New {
				t.Fatalf("%s was %q, and the change is %+v", name, state[name], c)
			}
			if state[name] = c.New; c.New == "" {
				delete(state, name)
			}
		}
		want := map[string]string{}
		for name, n := range to {
			want[name] = hash(n)
		}
		if diff := cmp.Diff(want, state); diff != "" {
			t.Fatal(diff)
		}
	})
}
