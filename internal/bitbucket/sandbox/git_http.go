package sandbox

import "net/http"

func (s *Sandbox) isGit(string) bool                                            { return false }
func (s *Sandbox) serveGit(rw http.ResponseWriter, req *http.Request, _ string) {}

type objects struct{}
