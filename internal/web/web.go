// Package web serves the user interface. Until there is one it answers with a page that says so.
package web

import "net/http"

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Windlass</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }
  code { background: #8882; padding: .1em .3em; border-radius: 3px }
</style>
<h1>Windlass</h1>
<p>The API is up; the web UI comes later.</p>
<p>Until then, ask on the command line:</p>
<p><code>windlass query "FIND bitbucket_repo"</code></p>
<ul>
  <li><a href="api/v1/openapi.json">The API's description</a> (OpenAPI 3.1)</li>
  <li><a href="readyz">Readiness</a> and <a href="metrics">metrics</a></li>
</ul>
</html>
`

// Handler serves the page at / and nothing else.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte(page))
		}
	})
}
