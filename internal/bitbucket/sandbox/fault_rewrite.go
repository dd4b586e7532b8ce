package sandbox

import (
	"bytes"
	"encoding/json"
)

// rewrite changes the JSON of an answer; one that is not an object stays as it is.
func (f *Fault) rewrite(c *call, body []byte) []byte {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return body
	}
	switch {
	case c.dc != nil && f.Kind == FaultRepeat:
		doc["isLastPage"], doc["nextPageStart"] = false, doc["start"]
	case c.dc != nil && f.Kind == FaultMissing:
		doc["isLastPage"], doc["nextPageStart"] = true, nil
	case f.Kind == FaultRepeat:
		doc["next"] = origin(c.req) + c.req.URL.RequestURI()
	case f.Kind == FaultMissing:
		delete(doc, "next")
	case f.Kind == FaultOdd:
		object := doc
		if values, ok := doc["values"].([]any); ok && len(values) > 0 {
			object, _ = values[0].(map[string]any)
		}
		f.distort(object)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return body
	}
	return out
}

// distort makes one object odd.
func (f *Fault) distort(object map[string]any) {
	if inner, ok := object["user"].(map[string]any); ok { // a membership is known by its user
		f.distort(inner)
		return
	}
	switch f.Variant {
	case "null-author":
		object["author"] = nil
	case "no-id":
		delete(object, "id")
		delete(object, "uuid")
	case "wrong-types":
		for _, k := range []string{"title", "name", "display_name", "displayName"} {
			if _, ok := object[k]; ok {
				object[k] = map[string]any{"raw": 7}
			}
		}
		for _, k := range []string{"created_on", "updated_on"} {
			if _, ok := object[k]; ok {
				object[k] = 1700000000
			}
		}
		for _, k := range []string{"createdDate", "updatedDate"} {
			if _, ok := object[k]; ok {
				object[k] = map[string]any{"at": true}
			}
		}
		if _, ok := object["description"]; ok {
			object["description"] = []any{true}
		}
	}
}
