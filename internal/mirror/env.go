package mirror

import (
	"os"
	"strconv"
)

// Setting is one line of git's configuration, for one call.
type Setting struct{ Key, Value string }

// harmless returns the configuration of every call. It wins over what any file says.
func harmless() []Setting {
	return []Setting{
		// What runs programs.
		{"core.hooksPath", os.DevNull},
		{"core.fsmonitor", "false"},
		{"core.pager", "cat"},
		{"core.editor", "false"},
		{"core.askPass", ""},
		{"core.attributesFile", os.DevNull},
		{"core.excludesFile", os.DevNull},
		{"core.alternateRefsCommand", ":"}, // else git runs for-each-ref in the other repository, by that one's configuration
		{"credential.helper", ""},          // forgets every helper
		{"credential.interactive", "false"},
		{"log.showSignature", "false"},
		{"gpg.program", "false"},
		{"gc.auto", "0"},
		{"maintenance.auto", "false"},

		// What git may speak; GIT_ALLOW_PROTOCOL says the same, and either is enough.
		{"protocol.allow", "never"},
		{"protocol.https.allow", "always"},
		{"protocol.ssh.allow", "always"},
		{"protocol.version", "2"},

		// Where it may go and what it may say there.
		{"http.followRedirects", "false"},
		{"http.sslVerify", "true"},
		{"http.sslVersion", "tlsv1.2"},
		{"http.emptyAuth", "false"},
		{"http.delegation", "none"},
		{"http.saveCookies", "false"},
		{"http.lowSpeedLimit", "100"},
		{"http.lowSpeedTime", "60"},
		{"transfer.credentialsInUrl", "die"},
		{"transfer.advertiseSID", "false"},
		{"submodule.recurse", "false"},
		{"fetch.recurseSubmodules", "false"},

		// What it believes of the files that it finds, and how much of them it keeps in memory.
		{"core.useReplaceRefs", "false"},
		{"core.protectHFS", "true"},
		{"core.protectNTFS", "true"},
		{"core.packedGitWindowSize", "32m"},
		{"core.packedGitLimit", "256m"},
		{"safe.bareRepository", "explicit"},
	}
}

// environment returns everything that git sees of the machine. Its home is an empty folder in dir, where it also puts
// short-lived files. Protocols are those that GIT_ALLOW_PROTOCOL names; empty means none.
func (g *Git) environment(dir, home, protocols string, settings []Setting, more ...string) []string {
	env := []string{
		"PATH=" + g.path,
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + home,
		"TMPDIR=" + dir,
		"LC_ALL=C",
		"TERM=dumb",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_SYSTEM=" + os.DevNull,
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_ALLOW_PROTOCOL=" + protocols,
		"GIT_PROTOCOL_FROM_USER=0",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=",
		"SSH_ASKPASS=",
		"SSH_ASKPASS_REQUIRE=never",
		"GIT_SSH_COMMAND=false", // replaced where SSH is spoken; else core.sshCommand would count
		"GIT_PAGER=cat",
		"GIT_EDITOR=false",
		"GIT_CEILING_DIRECTORIES=" + dir,
		"GIT_ADVICE=0",
		"GCM_INTERACTIVE=never",
	}
	all := append(harmless(), settings...)
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(all)))
	for i, s := range all {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+s.Key, "GIT_CONFIG_VALUE_"+n+"="+s.Value)
	}
	return append(env, more...)
}
