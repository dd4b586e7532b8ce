// Package sandbox is a stateful look-alike of Bitbucket, for tests and for people who want to try Windlass without an
// account. It serves Bitbucket Cloud (REST 2.0 and the remnant of 1.0, the OAuth token endpoint) and Bitbucket Data
// Center (REST in the versions that Options.DCVersion names, OAuth 2.0), and git with real objects whose hashes are
// those that REST shows. It shares no code with the packages that talk to Bitbucket, so that both cannot be wrong in the
// same way.
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
// Data Center is made when it is first asked for. Its people are those of the Cloud, with the same names and addresses;
// its projects, repositories and pull requests are its own, as many again. Some repositories are archived, and some
// belong to personal projects, forks among them.
//
//	administrator       admin / sandbox-password
//	HTTP access tokens  sandbox-token of admin; sandbox-token-2 of robot-2, … -9 (passwords sandbox-password-2, …)
//	project token       project-token-{KEY} of the first project
//	repository token    repository-token of the first repository that is not empty
//	incoming link       sandbox-client / sandbox-client-secret
//
// # Where
//
//	/cloud/2.0/…  /2.0/…  /api/2.0/…                     REST
//	/cloud/1.0/groups/{workspace}  (also /1.0, /api/1.0)  groups
//	/cloud/site/oauth2/access_token  (also /site/…)       tokens
//	/cloud/{workspace}/{repo}.git  (also /{workspace}/…)  git
//	/dc/rest/api/latest/…  (also 1.0)                     REST of Data Center
//	/dc/rest/oauth2/latest/authorize, …/token             OAuth 2.0 of Data Center
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
//	/sandbox/comment            {"repository", "id", "user"}
//	/sandbox/update             PullRequestUpdate
//	/sandbox/delete/pull-request {"repository", "id"}
//	/sandbox/create/repository  RepositorySpec; answers {"uuid": …}
//	/sandbox/rename/repository  {"repository", "name"}
//	/sandbox/move/repository    {"repository", "key"}: to another project of the workspace
//	/sandbox/default-branch     {"repository", "branch"}
//	/sandbox/public             {"repository" or "project", "public"}
//	/sandbox/delete/repository  {"repository"}
//	/sandbox/create/project     {"workspace", "key", "name"}; answers {"uuid": …}
//	/sandbox/rename/project     {"project", "name", "key"}; what is empty stays
//	/sandbox/delete/project     {"project"}, with all its repositories
//	/sandbox/create/user        {"name", "email"}; answers {"uuid": …}
//	/sandbox/rename/user        {"user", "name", "nickname"}; an empty nickname stays
//	/sandbox/delete/user        {"user"}
//	/sandbox/member/add         {"workspace", "user", "admin"}
//	/sandbox/member/remove      {"workspace", "user"}
//	/sandbox/grant              GrantSpec; without a permission the grant is taken away
//	/sandbox/group/create       GroupSpec; answers {"slug": …}
//	/sandbox/group/delete       {"workspace", "group"}
//	/sandbox/group/add-member   {"workspace", "group", "user"}; also remove-member
//	/sandbox/restriction/set    RestrictionSpec; answers {"id": n}
//	/sandbox/restriction/delete Place with "id"
//	/sandbox/reviewers/set      ReviewersSpec
//	/sandbox/hook/add           HookSpec; answers {"id": …}
//	/sandbox/hook/change        HookSpec with "id"
//	/sandbox/hook/delete        Place with "id"
//	/sandbox/key/add            KeySpec; answers {"id": n}
//	/sandbox/key/delete         Place with "id"
//	/sandbox/environment/add    {"repository", "name", "kind"}; answers {"uuid": …}
//	/sandbox/environment/delete {"repository", "id"}
//	/sandbox/credential/add     Credential
//	/sandbox/credential/edit    {"name", …}: the keys of Credential to change
//	/sandbox/credential/expire-tokens {"name"}: the OAuth tokens given to a consumer expire now
//	/sandbox/ssh-keys           SSHKey; GET answers the keys with the host's
//	/sandbox/ssh-keys/remove    {"name"}
//	/sandbox/day                DayOptions: a whole day of acts, on either product; answers {"acts": [Act, …]}
//	/sandbox/webhooks           Webhooks: the keys to change; GET answers WebhookCounts
//	/sandbox/webhooks/settle    waits until every delivery is done; answers WebhookCounts
//	/sandbox/clock              {"skew": "3m"}: how far the sandbox's clock is ahead; "-3m" is behind
//	/sandbox/fault/add          Fault; answers {"id": n}
//	/sandbox/fault/remove       {"id"}; answers {"hit": n}
//	/sandbox/fault/clear        {}
//
// What happens on Data Center is below /sandbox/dc/. Repositories are written "KEY/slug" or "~user/slug", users as the
// name to sign in with or the e-mail address. push, open, approve, unapprove, comment, merge, decline, update,
// delete/pull-request, default-branch, public, rename/project and rename/user are as above, and so are grant, group/…,
// restriction/…, reviewers/set, hook/… and key/…; needs-work is the opposite of approve, reopen that of decline.
//
//	/sandbox/dc/create/project     DCProjectSpec; answers {"id": n}
//	/sandbox/dc/delete/project     {"project"}
//	/sandbox/dc/create/repository  DCRepositorySpec; answers {"id": n}
//	/sandbox/dc/rename/repository  {"repository", "name"}
//	/sandbox/dc/move/repository    {"repository", "project"}
//	/sandbox/dc/archive/repository {"repository", "archived"}
//	/sandbox/dc/delete/repository  {"repository"}
//	/sandbox/dc/create/user        {"user", "name", "email"}; answers {"id": n}
//	/sandbox/dc/delete/user        {"user"}
//	/sandbox/dc/default-permission {"project", "permission"}: READ, WRITE, ADMIN or none
//	/sandbox/dc/solve-captcha      {"user"}
//	/sandbox/dc/credential/add     DCCredential
//	/sandbox/dc/credential/edit    {"name", …}: the keys of DCCredential to change
//
// Truth and DataCenter.Truth write down what is true, for whoever wants to compare it with what a reader collected.
//
// Faults hold for both; the path of one that is meant for Data Center begins with /dc/rest, as it is called.
package sandbox
