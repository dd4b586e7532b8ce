// Package storetest runs what is tested of package store on both databases, so that a promise made on SQLite is kept
// on PostgreSQL.
//
// Each and EachDatabase give a test a fresh database of either kind with a clock that the test moves. Postgres starts
// one throw-away PostgreSQL cluster per test process, over a unix socket and without network, and leaves nothing
// behind even when the process is killed. The suite itself and the naive model, which is the specification of who
// sees what, are the tests of this package.
package storetest
