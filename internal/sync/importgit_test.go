package sync_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/store/storetest"
	"github.com/windlass-hq/windlass/internal/sync"
)

// TestImportedCloneEqualsGitLog imports a clone and compares the graph with what `git log` says, computed here from
// nothing but its output. With WINDLASS_IMPORT_REPO it runs on that clone instead of one made of odd names.
func TestImportedCloneEqualsGitLog(t *testing.T) {
	clone := os.Getenv("WINDLASS_IMPORT_REPO")
	if clone == "" {
		clone = oddClone(t)
	}
	log := readLog(t, clone)
	base := sandbox.Options{Seed: 5, Repositories: 2, PullRequests: 10, Users: 6}
	known := generatedUsers(t, base)
	with := base
	with.ImportGit = clone
	onCloud(t, with, func(t *testing.T, f *fixture) {
		f.sync(sync.RunOptions{}, sync.Complete)
		got := imported(t, f, known)
		want := log.world()
		for _, d := range differences(got, want) {
			t.Error(d)
		}
		if len(want.entities) == 0 || len(want.edges) == 0 {
			t.Fatal("git log tells of no pull request; the test compares nothing")
		}
	})
}

// generatedUsers returns the keys of the people whom the same sandbox holds without the import.
func generatedUsers(t *testing.T, o sandbox.Options) map[string]bool {
	keys := map[string]bool{}
	// A group of its own, which ends when what runs side by side in it has ended.
	t.Run("without the import", func(t *testing.T) {
		on(t, storetest.SQLite, o, func(t *testing.T, f *fixture) {
			f.sync(sync.RunOptions{}, sync.Complete)
			for key := range stored(t, f.store).entities {
				if strings.HasPrefix(key, "cloud:user:") {
					keys[key] = true
				}
			}
		}, cloudSide{})
	})
	return keys
}

type commit struct {
	hash                   string
	parents                []string
	authorName, authorMail string
	authorTime             int64
	committer, commitMail  string
	commitTime             int64
	subject, body          string
}

type gitLog struct {
	commits []commit // in the order of git log HEAD
	byHash  map[string]commit
	branch  string
}

func gitOutput(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "log.showSignature=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

func readLog(t *testing.T, clone string) gitLog {
	t.Helper()
	l := gitLog{byHash: map[string]commit{}, branch: strings.TrimSpace(gitOutput(t, clone, "rev-parse", "--abbrev-ref", "HEAD"))}
	const fields = 10
	parts := strings.Split(gitOutput(t, clone, "log", "-z", "--encoding=UTF-8", "--no-show-signature",
		"--format=tformat:%H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%s%x00%B", "HEAD"), "\x00")
	for ; len(parts) >= fields; parts = parts[fields:] {
		number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
		c := commit{
			hash: parts[0], parents: strings.Fields(parts[1]), authorName: parts[2], authorMail: strings.ToLower(parts[3]), authorTime: number(parts[4]),
			committer: parts[5], commitMail: strings.ToLower(parts[6]), commitTime: number(parts[7]), subject: parts[8], body: parts[9],
		}
		l.commits = append(l.commits, c)
		l.byHash[c.hash] = c
	}
	return l
}

// people returns everybody by e-mail address with the name used most recently.
func (l gitLog) people() map[string]string {
	names := map[string]string{}
	add := func(mail, name string) {
		mail = strings.ToLower(mail)
		if _, known := names[mail]; !known {
			if name == "" {
				name = mail
			}
			names[mail] = name
		}
	}
	for _, c := range l.commits {
		add(c.authorMail, c.authorName)
		add(c.commitMail, c.committer)
		for line := range strings.Lines(c.body) {
			if len(line) < 16 || !strings.EqualFold(line[:15], "co-authored-by:") {
				continue
			}
			name, rest, ok := strings.Cut(line[15:], "<")
			mail, _, closed := strings.Cut(rest, ">")
			if ok && closed && strings.TrimSpace(mail) != "" {
				add(strings.TrimSpace(mail), strings.TrimSpace(name))
			}
		}
	}
	return names
}

// world computes the expected graph. People are called by name here, since Bitbucket shows no addresses; several of
// one name count by their number.
func (l gitLog) world() *world {
	w := newWorld()
	names := l.people()
	counts := map[string]int{}
	for _, n := range names {
		counts[n]++
	}
	for n, c := range counts {
		w.entity("user "+n, "bitbucket_user", n, c)
	}
	var merges []commit
	for h := l.commits[0].hash; h != ""; {
		c, ok := l.byHash[h]
		if !ok {
			break
		}
		if len(c.parents) > 1 {
			merges = append(merges, c)
		}
		h = ""
		if len(c.parents) > 0 {
			h = c.parents[0]
		}
	}
	slices.Reverse(merges)
	for i, m := range merges {
		key := fmt.Sprintf("pr:%d", i+1)
		author, created := "", m.authorTime
		if p2, ok := l.byHash[m.parents[1]]; ok {
			author, created = names[p2.authorMail], p2.authorTime
			w.edge("user "+author, "OPENED", key)
		}
		w.edge("repo", "HAS", key)
		w.entity(key, "bitbucket_pull_request", m.subject, "MERGED ", author, " ", names[m.commitMail], " ", m.parents[1][:12], " ",
			m.parents[0][:12], " ", m.hash[:12], " ", l.branch, " ", created*1000, " ", m.commitTime*1000)
	}
	return w
}

// imported reduces what the store holds of the imported repository to the same terms.
func imported(t *testing.T, f *fixture, generated map[string]bool) *world {
	t.Helper()
	w := newWorld()
	var repo string
	names := map[string]string{}
	counts := map[string]int{}
	rows, err := f.store.Reader().QueryContext(t.Context(), `SELECT e.key, k.type, e.name, `+f.store.Dialect().JSONOut("e.props")+` FROM entity e JOIN kind k ON k.id = e.kind`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	type pull struct {
		key   string
		props map[string]any
	}
	var pulls []pull
	for rows.Next() {
		var key, typ, name, text string
		if err := rows.Scan(&key, &typ, &name, &text); err != nil {
			t.Fatal(err)
		}
		var p map[string]any
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		switch typ {
		case "bitbucket_user":
			names[key] = name
			if !generated[key] {
				counts[name]++
			}
		case "bitbucket_repo":
			if str(p["projectKey"]) == "IMPORT" {
				repo = key
			}
		case "bitbucket_pull_request":
			pulls = append(pulls, pull{key, p})
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for n, c := range counts {
		w.entity("user "+n, "bitbucket_user", n, c)
	}
	short := func(key string) string { return strings.TrimPrefix(key, repo+":") }
	for _, p := range pulls {
		if !strings.HasPrefix(p.key, repo+":pr:") {
			continue
		}
		number := func(name string) int64 { n, _ := p.props[name].(float64); return int64(n) }
		w.entity(short(p.key), "bitbucket_pull_request", str(p.props["title"]), str(p.props["state"]), " ", str(p.props["author"]), " ",
			str(p.props["closedBy"]), " ", str(p.props["sourceCommit"]), " ", str(p.props["targetCommit"]), " ", str(p.props["mergeCommit"]), " ",
			str(p.props["target"]), " ", number("createdOn"), " ", number("updatedOn"))
	}
	for edge := range stored(t, f.store).edges {
		from, rest, _ := strings.Cut(edge, "|")
		verb, to, _ := strings.Cut(rest, "|")
		if !strings.HasPrefix(to, repo+":pr:") {
			continue
		}
		if from == repo {
			from = "repo"
		} else {
			from = "user " + names[from]
		}
		w.edge(from, verb, short(to))
	}
	return w
}

// oddClone makes a repository whose people, messages and merges are as odd as git allows.
func oddClone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Ödd clone")
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", "-b", "trunk/main", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).Unix()
	run := func(who [2]string, args ...string) {
		t.Helper()
		at += 3671
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		stamp := fmt.Sprintf("%d +0530", at)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME="+who[0], "GIT_AUTHOR_EMAIL="+who[1], "GIT_AUTHOR_DATE="+stamp,
			"GIT_COMMITTER_NAME="+who[0], "GIT_COMMITTER_EMAIL="+who[1], "GIT_COMMITTER_DATE="+stamp)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	people := [][2]string{
		{"Zoë \"Zed\" O'Neil", "zoe@example.test"},
		{"山田 太郎", "Taro@Example.Test"},
		{"a;b|c,d", "odd+tag@example.test"},
		{"=cmd()|' /C calc'!A0", "formula@example.test"},
		{"Same Name", "one@example.test"},
		{"Same Name", "two@example.test"},
		{"Taro renamed", "taro@example.test"},
	}
	run(people[0], "commit", "-q", "--allow-empty", "-m", "root")
	messages := []string{
		"Merge branch 'it''s odd'", "Merge pull request #7 from someone/feature\n\nbody with\nlines", "Merged in feature/ünï (pull request #12)\n\nApproved-by: x",
		strings.Repeat("very long subject ", 40), "<script>alert(1)</script> & \"quotes\" \\ back", "tab\tand emoji 🙂🏴",
	}
	for i, m := range messages {
		branch := fmt.Sprintf("b%d", i)
		run(people[i], "checkout", "-q", "-b", branch)
		run(people[i], "commit", "-q", "--allow-empty", "-m", "work on "+branch+"\n\nCo-authored-by: Pair "+branch+" <pair"+branch+"@example.test>\nco-AUTHORED-by: Same Name <three@example.test>")
		run(people[i], "checkout", "-q", "trunk/main")
		run(people[(i+1)%len(people)], "merge", "-q", "--no-ff", "--no-edit", "-m", m, branch)
	}
	// An octopus, a merge of the trunk into a branch that is then merged, and a last commit under a new name.
	for _, b := range []string{"o1", "o2"} {
		run(people[2], "checkout", "-q", "-b", b, "trunk/main")
		run(people[3], "commit", "-q", "--allow-empty", "-m", "octopus arm "+b)
	}
	run(people[4], "checkout", "-q", "trunk/main")
	run(people[4], "merge", "-q", "--no-ff", "-m", "octopus", "o1", "o2")
	run(people[5], "checkout", "-q", "-b", "late", "trunk/main~1")
	run(people[5], "commit", "-q", "--allow-empty", "-m", "late work")
	run(people[5], "merge", "-q", "--no-ff", "-m", "catch up with the trunk", "trunk/main")
	run(people[5], "checkout", "-q", "trunk/main")
	run(people[6], "merge", "-q", "--no-ff", "-m", "late", "late")
	return dir
}
