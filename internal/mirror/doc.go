// Package mirror runs git, and is the only package of Windlass that does so.
//
// Git executes what configuration tells it: the repository's own, the user's, the machine's, and the environment's. A
// repository that comes from somebody else may therefore run programs on this machine as soon as git looks at it
// (HARD-PARTS B, "Hostile repositories"). So every call goes through one wrapper, Git.Run:
//
//   - The environment is built from nothing. No configuration of the machine or the user is read, nothing asks, no
//     hook, filter, pager, textconv or monitor runs, and git speaks only the protocols that the call needs.
//   - It never runs in or on a repository that is not ours. Foreign opens one by a path, through a fresh repository
//     that has its objects and its refs but never its configuration.
//   - Names that others chose stand behind --end-of-options.
//   - Secrets travel in the environment of the process and are bound to one URL. They are on no command line, in no
//     file and in no error.
//   - Time, output, memory and the size of written files are limited, and git ends with everything that it started.
//
// A Remote says where a repository is and how to sign in there; its URL is built here from the connection's own
// settings and never taken from an answer. ListRefs reads its refs, and Changes makes of two such lists what a webhook
// would have told.
package mirror
