package datacenter

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// accessKeys lists the SSH keys that reach a place (FACTS 137). Those of the project are not in a repository's list
// unless it is asked for what is effective; should they be, they say so.
func (r resource) accessKeys() bitbucket.Settings {
	return r.settings(setting{
		list: bitbucket.ListKeys, feature: bitbucket.FeatureKeys, title: "access keys",
		listing: listing{path: "/keys/latest" + r.path + "/ssh"},
		skip: func(v bitbucket.JSON) bool {
			return r.repo != "" && v.Get("project").IsObject() && !v.Get("repository").IsObject()
		},
		convert: all(r.convertKey),
	})
}

// convertKey converts an access key. Of the key itself only its kind and fingerprint are kept: its comment is an e-mail
// address more often than not.
func (r resource) convertKey(j bitbucket.JSON, _ *mentions) (graph.Object, *bitbucket.Record, bool) {
	w := readKey(j.Get("key"))
	id, ok := readID(w.id)
	if !ok {
		return graph.Object{}, nil, false
	}
	rec := bitbucket.NewRecord(10)
	rec.Props["id"] = id
	label := rec.Text("name", w.label)
	text := rec.Text("text", w.text)
	delete(rec.Props, "text")
	algorithm, fingerprint := publicKey(text)
	if algorithm == "" {
		short, _ := w.algorithm.Text()
		algorithm = strings.ToLower(short)
	}
	if algorithm != "" {
		rec.Props["algorithm"] = algorithm
	}
	if given, _ := w.fingerprint.Text(); fingerprint == "" && given != "" {
		fingerprint = "SHA256:" + strings.TrimPrefix(given, "SHA256:")
	}
	switch {
	case fingerprint != "":
		rec.Props["fingerprint"] = fingerprint
	case text != "":
		rec.Oddly("text", "no public key")
	}
	if granted := rec.Text("permission", j.Get("permission")); granted != "" {
		rec.Props["permission"] = level(granted)
	}
	created := rec.Moment("createdOn", w.created)
	rec.Moment("lastUsedOn", w.used)
	rec.Props["expiresOn"] = nil
	if days, ok := w.expiry.Integer(); ok && days > 0 && days < 1<<20 && created > 0 {
		rec.Props["expiresOn"] = created + days*(24*time.Hour).Milliseconds()
	}
	e := r.entity(graph.TypeKey, ":key:"+id, cmp.Or(label, fingerprint, id), rec, bitbucket.Scrub(without(j, "text", "project", "repository")))
	return r.has(e), rec, true
}

// publicKey returns the kind and the fingerprint of a public key as OpenSSH writes it, or "" for what is none.
func publicKey(text string) (algorithm, fingerprint string) {
	parts := strings.Fields(text)
	if len(parts) < 2 {
		return "", ""
	}
	blob, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil || len(blob) == 0 {
		return "", ""
	}
	sum := sha256.Sum256(blob)
	return parts[0], "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
