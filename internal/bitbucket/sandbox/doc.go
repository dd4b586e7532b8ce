// Package sandbox is a stateful look-alike of Bitbucket, for tests and for people who want to try Windlass without an
// account. It serves Bitbucket Cloud: REST 2.0 and the remnant of 1.0, the OAuth token endpoint, and git over HTTP
// with real objects whose hashes are those that REST shows. It shares no code with the packages that talk to
// Bitbucket, so that both cannot be wrong in the same way.
//
// # What there is
//
// Everything generated follows from the Options; the same options give the same bytes. There are the workspaces
// `acme` and `acme-labs`, and workspaces outside that nobody here can read and that own forks.
//
//	OAuth consumers    sandbox-key / sandbox-secret, sandbox-key-2 / sandbox-secret-2, … -9
//	access tokens      sandbox-cloud-token, sandbox-cloud-token-2, … -9 (of workspace acme)
//	API token          admin@acme.example / sandbox-api-token
//
// # Where
//
//	/cloud/2.0/…  /2.0/…  /api/2.0/…                     REST
//	/cloud/1.0/groups/{workspace}  (also /1.0, /api/1.0)  groups
//	/cloud/site/oauth2/access_token  (also /site/…)       tokens
//	/cloud/{workspace}/{repo}.git  (also /{workspace}/…)  git
//	/dc/scm/{key}/{slug}.git  (also /dc/scm/~{user}/…)    git of Data Center
//	/sandbox/…                                            control
//
// ServeSSH serves git of both over SSH: as the user git, at /{workspace}/{repo}.git, /{key}/{slug}.git and
// /~{user}/{slug}.git. The one known key is that of SSHPrivateKey. HandlerUnder and Authority put a path and TLS before
// everything, ForwardProxy is what stands between in a company.
//
// # Control
//
// GET /sandbox/stats answers a Stats. All acts are POSTs with a JSON object; they answer 200 with a JSON object, or
// {"error": …} with 400, 404, 409 or 500. Repositories are written "workspace/slug", projects "workspace/KEY", users
// as an id in braces, account id, e-mail address or nickname.
//
//	/sandbox/stats/reset
//	/sandbox/push               Push; answers Pushed
//	/sandbox/open               PullRequestSpec; answers {"id": n}
//	/sandbox/approve            {"repository", "id", "user"}; also unapprove, request-changes
//	/sandbox/merge              {"repository", "id", "user"}; answers {"hash": …}
//	/sandbox/decline            {"repository", "id", "user", "reason"}
//	/sandbox/update             PullRequestUpdate
//	/sandbox/delete/pull-request {"repository", "id"}
//	/sandbox/create/repository  RepositorySpec; answers {"uuid": …}
//	/sandbox/rename/repository  {"repository", "name"}
//	/sandbox/delete/repository  {"repository"}
//	/sandbox/create/project     {"workspace", "key", "name"}; answers {"uuid": …}
//	/sandbox/delete/project     {"project"}, with all its repositories
//	/sandbox/create/user        {"name", "email"}; answers {"uuid": …}
//	/sandbox/delete/user        {"user"}
//	/sandbox/member/add         {"workspace", "user", "admin"}
//	/sandbox/member/remove      {"workspace", "user"}
//	/sandbox/credential/add     Credential
//	/sandbox/credential/edit    {"name", …}: the keys of Credential to change
//	/sandbox/credential/expire-tokens {"name"}: the OAuth tokens given to a consumer expire now
//	/sandbox/ssh-keys           SSHKey; GET answers the keys with the host's
//	/sandbox/ssh-keys/remove    {"name"}
//	/sandbox/fault/add          Fault; answers {"id": n}
//	/sandbox/fault/remove       {"id"}; answers {"hit": n}
//	/sandbox/fault/clear        {}
package sandbox
