package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

// addUser makes an account for an address, from which its id follows. The address is in lower case; a person without
// a name is called by it.
func (w *world) addUser(name, email string, at int64) *user {
	sum := sha256.Sum256([]byte(email))
	g := derive(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16]))
	if name == "" {
		name = email
	}
	nick, _, _ := strings.Cut(email, "@")
	u := &user{index: int32(len(w.users)), id: g.uuid(), name: name, signed: name, nickname: nick, email: email, created: at}
	id := g.uuid()
	u.accountID = "712020:" + string(id.appendBare(nil))
	if u.nickname == "" {
		u.nickname = name
	}
	w.users = append(w.users, u)
	return u
}
