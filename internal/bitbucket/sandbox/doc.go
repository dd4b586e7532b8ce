// Package sandbox is a stateful look-alike of Bitbucket.
package sandbox
