package datacenter

import (
	"encoding/json"
	"slices"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// without returns a value without the members of some names, wherever they stand.
func without(j bitbucket.JSON, names ...string) bitbucket.JSON {
	return appendWithout(make(bitbucket.JSON, 0, len(j)), j, names)
}

func appendWithout(out, j bitbucket.JSON, names []string) bitbucket.JSON {
	first := true
	comma := func() {
		if !first {
			out = append(out, ',')
		}
		first = false
	}
	switch {
	case j.IsObject():
		out = append(out, '{')
		j.Each(func(key []byte, v bitbucket.JSON) {
			if slices.Contains(names, string(key)) {
				return
			}
			comma()
			name, err := json.Marshal(string(key))
			if err != nil { // a string always can be
				name = []byte(`""`)
			}
			out = append(append(out, name...), ':')
			out = appendWithout(out, v, names)
		})
		return append(out, '}')
	case j.IsArray():
		out = append(out, '[')
		j.Elements(func(v bitbucket.JSON) {
			comma()
			out = appendWithout(out, v, names)
		})
		return append(out, ']')
	}
	return append(out, j...)
}
