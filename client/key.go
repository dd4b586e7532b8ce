package client

import (
	"context"
	"net/http"
)

// Keys are the keys that seal stored secrets, never what they consist of.
type Keys struct {
	File    string `json:"file" doc:"The key file, on the machine of the server."`
	Retired string `json:"retired,omitempty" doc:"File of keys that were rotated out, where there is one: backups of their time need them."`
	Keys    []Key  `json:"keys"`
}

// Key is one key by its id, which says nothing about the key itself.
type Key struct {
	ID    string `json:"id"`
	State string `json:"state" enum:"seals,opens,added,lost" doc:"seals: new texts are sealed with it. opens: older texts are. added: it will seal after the next rotation. lost: texts are sealed with it, but the key file does not hold it."`
	Texts int    `json:"texts" doc:"Texts that are sealed with it."`
}

// KeyRotation is what a change of the key did.
type KeyRotation struct {
	Key      string   `json:"key" doc:"Id of the key that seals now."`
	File     string   `json:"file" doc:"Where it lies, on the machine of the server."`
	Added    bool     `json:"added" doc:"Whether this rotation made it; else an earlier one did, which was interrupted."`
	Resealed int      `json:"resealed" doc:"Texts that were sealed anew."`
	Retired  []string `json:"retired" doc:"Ids of the keys that left the key file."`
	Kept     string   `json:"kept,omitempty" doc:"File that keeps the retired keys."`
}

// Keys returns the keys that seal stored secrets.
func (c *Client) Keys(ctx context.Context) (Keys, error) {
	var out Keys
	return out, c.call(ctx, http.MethodGet, path("key"), nil, nil, &out)
}

// RotateKey makes a new key and seals everything anew with it. A rotation that was interrupted goes on.
func (c *Client) RotateKey(ctx context.Context) (KeyRotation, error) {
	var out KeyRotation
	return out, c.call(ctx, http.MethodPost, path("key", "rotate"), nil, nil, &out)
}
