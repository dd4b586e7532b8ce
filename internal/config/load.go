package config

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/windlass-hq/windlass/internal/fault"
)

// FileName is the configuration file that is read from the working directory when it is there.
const FileName = "windlass.yaml"

// Sources say where settings are looked for.
type Sources struct {
	File   string                      // path of the YAML file; empty means windlass.yaml where it exists
	Lookup func(string) (string, bool) // the environment, as os.LookupEnv
	Flags  map[string]string           // options given on the command line, by name
}

// Load reads the settings and validates them. Every error names the place of the wrong value and never repeats a secret.
func Load(s Sources) (Config, error) {
	c := Default()
	if err := c.loadFile(s.File); err != nil {
		return c, err
	}
	if s.Lookup != nil {
		if err := c.loadEnv(s.Lookup); err != nil {
			return c, err
		}
	}
	for name, value := range s.Flags {
		o, ok := find(name)
		if !ok {
			return c, fault.New(fault.Usage, "there is no option %q", name)
		}
		c.set(o, value, "--"+name)
	}
	return c, c.Validate()
}

func (c *Config) set(o Option, value, origin string) {
	*o.field(c) = value
	c.origins[o.Name] = origin
}

func (c *Config) loadFile(path string) error {
	named := path != ""
	if !named {
		path = FileName
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Usage, "the configuration file cannot be read").With("check the path given by --config")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fault.Wrap(err, fault.Usage, "%s is not YAML", path)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return fault.New(fault.Usage, "%s:%d: expected lines of the form option: value", path, root.Line)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		where := path + ":" + strconv.Itoa(key.Line)
		o, ok := find(key.Value)
		if !ok || o.EnvOnly {
			return unknown(where, key.Value)
		}
		if first, twice := seen[o.Name]; twice {
			return fault.New(fault.Usage, "%s: %s is already set in line %d", where, o.Name, first)
		}
		seen[o.Name] = key.Line
		if value.Kind != yaml.ScalarNode {
			return fault.New(fault.Usage, "%s: %s takes one value", where, o.Name)
		}
		if value.Tag == "!!null" {
			continue
		}
		c.set(o, value.Value, where)
	}
	return nil
}

func (c *Config) loadEnv(lookup func(string) (string, bool)) error {
	for _, o := range Options() {
		value, set := lookup(o.Env())
		set = set && value != "" // an empty variable is none
		origin := o.Env()
		if name := o.FileEnv(); name != "" {
			if path, ok := lookup(name); ok && path != "" {
				if set {
					return fault.New(fault.Usage, "%s and %s are both set", o.Env(), name).With("unset one of them")
				}
				text, err := ReadSecretFile(path)
				if err != nil {
					return fault.Wrap(err, fault.Usage, "the file that %s names cannot be read", name)
				}
				value, set, origin = text, true, name
			}
		}
		if set {
			c.set(o, value, origin)
		}
	}
	return nil
}

// maxSecret bounds what is read as a secret: a wrong path should fail, not fill the memory.
const maxSecret = 64 << 10

// ReadSecretFile returns the content of a file that holds one secret, without the line end an editor adds.
func ReadSecretFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().IsRegular() && info.Size() > maxSecret {
		return "", fault.New(fault.Usage, "%s has %d bytes; a secret has at most %d", path, info.Size(), maxSecret)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func find(name string) (Option, bool) {
	for _, o := range Options() {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

func unknown(where, key string) error {
	err := fault.New(fault.Usage, "%s: there is no option %q", where, key)
	flat := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(s))
	}
	for _, o := range Options() {
		if o.EnvOnly && o.Name == key {
			return err.With("set it by %s, not in the file", o.Env())
		}
		if !o.EnvOnly && (flat(o.Name) == flat(key) || strings.HasPrefix(flat(o.Name), flat(key))) {
			return err.With("did you mean %s?", o.Name)
		}
	}
	return err.With("docs/configuration.md lists all options")
}
