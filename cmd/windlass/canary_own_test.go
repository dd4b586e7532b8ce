package main

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// connect makes the connection c with credentials that are given in every way there is.
func (h *hunt) connect() {
	if h.product == "cloud" {
		for _, c := range []sandbox.Credential{
			{Kind: sandbox.Consumer, Name: "first", Key: "first-consumer", Secret: h.mine("consumer secret in a file"), Scopes: sandbox.EveryScope()},
			{Kind: sandbox.Consumer, Name: "second", Key: "second-consumer", Secret: h.mine("second consumer secret in the file"), Scopes: sandbox.EveryScope()},
			{Kind: sandbox.Consumer, Name: "third", Key: "third-consumer", Secret: h.mine("consumer secret in the environment"), Scopes: sandbox.EveryScope()},
			{Kind: sandbox.AccessToken, Name: "inline", Secret: h.mine("access token on the command line"), Scopes: sandbox.EveryScope(), Workspaces: []string{"acme"}},
			{Kind: sandbox.AccessToken, Name: "piped", Secret: h.mine("access token from standard input"), Scopes: sandbox.EveryScope(), Workspaces: []string{"acme"}},
		} {
			if err := h.box.AddCredential(c); err != nil {
				h.t.Fatal(err)
			}
		}
		api := h.url + "/cloud/2.0"
		h.exec(command{args: []string{
			"connect", "cloud", "c", "--workspace", "acme", "--api-url", api, "--client-key", "first-consumer,second-consumer",
			"--client-secret", h.file("consumers", h.mine("consumer secret in a file")+","+h.mine("second consumer secret in the file")), "--interval", "disabled",
		}})
		h.exec(command{
			args: []string{"connect", "cloud", "env", "--workspace", "acme", "--api-url", api, "--client-key", "third-consumer"},
			env:  []string{"WINDLASS_CLIENT_SECRET=" + h.mine("consumer secret in the environment")},
		})
		h.exec(command{args: []string{"connection", "credential", "add", "c", "--token", "-"}, stdin: h.mine("access token from standard input")})
		h.inline("connection", "credential", "add", "c", "--token", h.mine("access token on the command line"))
	} else {
		for _, c := range []sandbox.DCCredential{
			{Name: "canary-password", User: "admin", Password: h.mine("password in a file"), Admin: true},
			{Name: "canary-token", User: "robot-2", Token: h.mine("HTTP access token in the environment")},
			{Name: "canary-piped", User: "robot-2", Token: h.mine("HTTP access token from standard input")},
			{Name: "canary-inline", User: "robot-2", Token: h.mine("HTTP access token on the command line")},
		} {
			if err := h.box.DataCenter().AddCredential(c); err != nil {
				h.t.Fatal(err)
			}
		}
		h.exec(command{args: []string{
			"connect", "datacenter", "c", "--url", h.url + "/dc", "--yes", "--set", "rate=1000", "--username", "admin",
			"--password", h.file("password", h.mine("password in a file")), "--interval", "disabled",
		}})
		h.exec(command{
			args: []string{"connect", "datacenter", "env", "--url", h.url + "/dc", "--yes", "--set", "rate=1000"},
			env:  []string{"WINDLASS_TOKEN=" + h.mine("HTTP access token in the environment")},
		})
		h.exec(command{args: []string{"connection", "credential", "add", "c", "--token", "-"}, stdin: h.mine("HTTP access token from standard input")})
		h.inline("connection", "credential", "add", "c", "--token", h.mine("HTTP access token on the command line"))
	}
	h.windlass("connection", "edit", "env", "--description", "edited")
	h.windlass("connection", "remove", "env", "--yes")
	h.exec(command{args: []string{"config", "dump"}, env: []string{
		"WINDLASS_CLIENT_SECRET=" + h.mine("dumped consumer secret"), "WINDLASS_TOKEN=" + h.mine("dumped token"),
		"WINDLASS_API_TOKEN=" + h.mine("dumped API token"), "WINDLASS_PASSWORD=" + h.mine("dumped password"),
		"WINDLASS_DATABASE=postgres://windlass:" + h.mine("dumped password of a database") + "@db.example/windlass?password=" + h.mine("dumped password in a query"),
	}})
}

// inline gives a secret on the command line, which works, is warned of, and is not repeated by the warning.
func (h *hunt) inline(args ...string) {
	h.t.Helper()
	_, name, err := h.attempt(command{name: "with an inline secret", args: args})
	if text := string(h.told[name]); err != nil || !strings.Contains(text, "other users can see") {
		h.t.Errorf("%v, no warning in %s", err, text)
	}
}

// failToConnect gives wrong secrets, addresses with secrets in them, and words where none belong.
func (h *hunt) failToConnect() {
	wrong := h.file("wrong", h.mine("wrong secret"))
	connect := []string{"connect", "cloud", "no", "--workspace", "acme", "--api-url"}
	secret := []string{"--client-key", "first-consumer", "--client-secret", wrong}
	address := h.url + "/cloud/2.0"
	if h.product != "cloud" {
		connect, secret, address = []string{"connect", "datacenter", "no", "--yes", "--url"}, []string{"--username", "nobody", "--password", wrong}, h.url+"/dc"
		h.fails(append(append([]string{}, connect...), address, "--token", wrong)...)
	} else {
		h.fails(append(append([]string{}, connect...), address, "--email", "admin@acme.example", "--api-token", wrong)...)
		h.fails(append(append([]string{}, connect...), address, "--token", wrong)...)
	}
	h.fails(append(append([]string{}, connect...), append([]string{address}, secret...)...)...)
	for _, odd := range []string{
		"https://user:" + h.mine("password in an address") + "@host.example/", "https://" + h.mine("user in an address") + "@host.example/",
		"https://host.example/?token=" + h.mine("query of an address"), "https://host.example/#" + h.mine("fragment of an address"),
		"https://user:" + h.mine("password in a broken address") + "@host example/", "//user:" + h.mine("password in an address without scheme") + "@host.example",
		"ftp://user:" + h.mine("password in an address of FTP") + "@host.example/",
	} {
		h.quietly(append(append(append([]string{}, connect...), odd), secret...)...)
		h.quietly("connection", "edit", "c", "--set", "proxy="+odd)
		h.quietly("connection", "edit", "c", "--set", "git-url="+odd)
		h.quietly("doctor", "--server", odd)
	}
	h.fails("connection", "credential", "add", "c", "--token", wrong)
	h.fails("connection", "credential", "add", "c", "--token", "@"+h.dir+"/nowhere")
	h.exec(command{args: []string{"doctor", "--database", "postgres://windlass@127.0.0.1:1/none?connect_timeout=1"}, fails: true})
	h.quietly("doctor", "--database", "postgres://windlass:"+h.mine("password of a database")+"@127.0.0.1:1/none?connect_timeout=1")
	h.quietly("doctor", "--database", "postgres://windlass:"+h.mine("password of a broken address")+"@127.0.0.1:x/none")
}

// quietly runs what must fail without repeating the secret that it was given.
func (h *hunt) quietly(args ...string) {
	h.t.Helper()
	h.exec(command{name: strings.Join(args[:2], " ") + " with an odd address", args: args, fails: true})
}

// hurry is how long a command may try what will not be answered.
const hurry = 2 * time.Second

// refused lets the provider answer in every way that repeats what it was sent or lets out secrets of others, and reads
// through it; only in the named ways where some are named.
func (h *hunt) refused(ways ...string) {
	g := h.garden
	long := func(r *http.Request) string { // what is cut at 200 characters is cut within the secret
		header := authorization(r)
		return strings.Repeat("z", 188) + header[strings.LastIndexAny(header, " :")+1:]
	}
	var other, cut, page, redirected, inside, detail, captcha string
	func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		other, page = g.url("text of an error"), g.url("title of a page")
		cut = strings.Repeat("z", 180) + " https://ci:" + g.secret("error text that is cut")
		redirected, inside = g.url("redirect to another host"), g.secret("redirect inside")
		detail, captcha = g.url("detail of an error"), g.secret("header of a CAPTCHA")
	}()
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	message := func(s string) string {
		if h.product == "cloud" {
			return `{"type":"error","error":{"message":` + quote(s) + `,"detail":` + quote(s+" "+detail) + `},"error_description":` + quote(s) + `}`
		}
		return `{"errors":[{"context":` + quote(detail) + `,"message":` + quote(s) + `},{"message":` + quote(detail) + `}]}`
	}
	with := func(status int, contentType string, body func(*http.Request) string, header ...string) func(*http.Request) *refusal {
		return func(r *http.Request) *refusal {
			to := map[string]string{"Content-Type": contentType}
			for i := 0; i < len(header); i += 2 {
				to[header[i]] = header[i+1]
			}
			return &refusal{status, to, body(r)}
		}
	}
	echo := func(r *http.Request) string { return message("you sent " + authorization(r) + " and " + other) }
	html := func(r *http.Request) string {
		return "<!DOCTYPE html><html><head><title>Sorry " + authorization(r) + " " + page + "</title></head></html>"
	}
	none := func(*http.Request) string { return "{}" }
	for name, f := range map[string]func(*http.Request) *refusal{
		"400":                     with(400, "application/json", echo),
		"401":                     with(401, "application/json", echo),
		"403":                     with(403, "application/json", echo),
		"404":                     with(404, "application/json", echo),
		"410":                     with(410, "application/json", echo),
		"418 in words":            with(418, "text/plain", func(r *http.Request) string { return "I am " + authorization(r) + " at " + other }),
		"400 that is cut":         with(400, "application/json", func(r *http.Request) string { return message(long(r)) }),
		"401 in words, cut":       with(401, "text/plain", long),
		"403 that is cut":         with(403, "text/plain", func(*http.Request) string { return cut + "@host.example" }),
		"200 of a page":           with(200, "text/html", html),
		"403 of a page":           with(403, "text/html", html),
		"200 that is no JSON":     with(200, "application/json", func(r *http.Request) string { return `{"values":[` + authorization(r) + other }),
		"200 of another shape":    with(200, "application/json", func(r *http.Request) string { return `{"error":` + quote(authorization(r)) + `}` }),
		"200 of a text":           with(200, "application/json", func(r *http.Request) string { return quote(authorization(r) + other) }),
		"redirect elsewhere":      with(302, "text/plain", none, "Location", redirected),
		"redirect to a path":      with(302, "text/plain", none, "Location", "https://login.example/"+inside+"/x"),
		"redirect inside":         with(302, "text/plain", none, "Location", "/elsewhere/"+inside+"?token="+inside),
		"next elsewhere":          with(200, "application/json", func(*http.Request) string { return `{"values":[],"next":` + quote(redirected) + `}` }),
		"next that is no address": with(200, "application/json", func(*http.Request) string { return `{"values":[],"next":` + quote("https://%zz"+inside) + `}` }),
		"scopes": with(403, "application/json", func(r *http.Request) string {
			return `{"error":{"message":"no","detail":{"required":[` + quote(authorization(r)) + `],"granted":[` + quote(other) + `]}}}`
		}),
		"CAPTCHA":       with(403, "application/json", echo, "X-Authentication-Denied-Reason", "CAPTCHA_CHALLENGE; login-url=https://x/?token="+captcha),
		"asked to wait": with(429, "text/plain", func(r *http.Request) string { return authorization(r) + other }, "Retry-After", "1"),
	} {
		if len(ways) > 0 && !slices.Contains(ways, name) {
			continue
		}
		for _, everything := range []bool{true, false} { // tokens are refused too, or only lists
			g.refusing(func(r *http.Request) *refusal {
				if !everything && (strings.HasSuffix(r.URL.Path, "/access_token") || strings.Contains(r.URL.Path, "application-properties")) {
					return nil
				}
				return f(r)
			})
			h.attempt(command{name: "sync, answered by " + name, args: []string{"sync", "c", "--no-wait", "--full"}, within: hurry})
			if everything {
				h.attempt(command{name: "connection test, answered by " + name, args: []string{"connection", "test", "c"}, within: hurry})
			}
		}
	}
	g.refusing(nil)
}
