package cloud

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// convertKey converts a deploy key. Of the key itself algorithm and fingerprint are kept; its comment is left out, as
// it usually is somebody's e-mail address. Deploy keys of the Cloud can only read.
func convertKey(j bitbucket.JSON, p place, _ *parties) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(10)
	id, ok := readNumber(r, j.Get("id"))
	if !ok {
		return graph.Object{}, r, false
	}
	r.Props["id"] = id
	label := r.Text("name", j.Get("label"))
	if text, ok := j.Get("key").Text(); ok {
		if algorithm, fingerprint, ok := publicKey(text); ok {
			r.Props["algorithm"], r.Props["fingerprint"] = algorithm, fingerprint
		} else {
			r.Oddly("key", "no public key")
		}
	} else if v := j.Get("key"); !v.Missing() && !v.Null() {
		r.Oddly("key", "no text")
	}
	r.Props["permission"] = "read"
	created := j.Get("added_on")
	if created.Missing() {
		created = j.Get("created_on") // as the example of the vendor's document has it
	}
	r.Time("createdOn", created)
	r.Time("lastUsedOn", j.Get("last_used"))
	key := p.Key + ":key:" + id
	return p.object(graph.TypeKey, key, cmp.Or(label, "key "+id), graph.Has, r, without(j, "key", "comment")), r, true
}

// publicKey returns the algorithm and the fingerprint of a public key of SSH, as ssh-keygen prints it. The key says
// itself what its algorithm is: it begins with the name and its length.
func publicKey(text string) (algorithm, fingerprint string, ok bool) {
	for word := range strings.FieldsSeq(text) {
		blob, err := base64.StdEncoding.DecodeString(word)
		if err != nil || len(blob) < 4 {
			continue
		}
		n := binary.BigEndian.Uint32(blob)
		if n == 0 || n > 64 || int(n) >= len(blob)-4 {
			continue
		}
		algorithm = string(blob[4 : 4+n])
		if strings.ContainsFunc(algorithm, func(c rune) bool { return c <= ' ' || c > '~' }) {
			continue
		}
		sum := sha256.Sum256(blob)
		return algorithm, "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), true
	}
	return "", "", false
}
