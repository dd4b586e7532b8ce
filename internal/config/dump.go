package config

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands for a secret that is set.
const hidden = "•••"

// Value is one setting as it may be shown.
type Value struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// Values returns every setting that applies to this process with its origin; secrets are hidden.
func (c *Config) Values() []Value {
	var out []Value
	for _, o := range Options() {
		out = append(out, Value{Name: o.Name, Value: o.show(*o.field(c)), Origin: c.origins[o.Name]})
	}
	return out
}

// Dump writes the settings as a windlass.yaml with the origin of each value beside it; secrets are hidden.
func (c *Config) Dump(w io.Writer) error {
	for _, v := range c.Values() {
		text, err := yaml.Marshal(v.Value)
		if err != nil {
			return fmt.Errorf("dump %s: %w", v.Name, err)
		}
		line := v.Name + ": " + strings.TrimRight(string(text), "\n")
		if _, err := fmt.Fprintf(w, "%-44s # %s\n", line, v.Origin); err != nil {
			return err
		}
	}
	return nil
}

func (o Option) show(value string) string {
	if !o.Secret || value == "" {
		return value
	}
	if o.Name == "database" {
		return maskURL(value)
	}
	return hidden
}

// maskURL keeps what helps to recognise a database and hides everything that may be a secret.
func maskURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return hidden
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += u.User.Username()
		if _, ok := u.User.Password(); ok {
			shown += ":" + hidden
		}
		shown += "@"
	}
	shown += u.Host + u.Path
	if u.RawQuery != "" {
		shown += "?" + hidden
	}
	return shown
}

// Markdown writes docs/configuration.md.
func Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from internal/config/options.go: go test ./internal/config -update -->

Settings come from ` + "`windlass.yaml`" + ` in the working directory (or the file that ` + "`--config`" + ` or ` + "`WINDLASS_CONFIG`" + ` names), from the
environment, and from flags; the later wins. ` + "`windlass config dump`" + ` shows what applies and where it comes from.
A secret may also lie in a file: the variable with ` + "`_FILE`" + ` names it.
`)
	for _, section := range []Section{Process, Command, Credential} {
		b.WriteString("\n## " + string(section) + "\n\n| option | variable | default | meaning |\n| --- | --- | --- | --- |\n")
		for _, o := range Options() {
			if o.Section != section {
				continue
			}
			env := "`" + o.Env() + "`"
			if o.Secret {
				env += " or `" + o.FileEnv() + "`"
			}
			def := "–"
			if o.Default != "" {
				def = "`" + o.Default + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.Name, env, def, o.Doc)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
