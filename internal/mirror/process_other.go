//go:build !unix

package mirror

import "os/exec"

// ownGroup does nothing where there are no process groups: git alone is ended.
func ownGroup(*exec.Cmd) {}

func endGroup(*exec.Cmd) {}
