package openapitest

import (
	"fmt"
	"strings"
)

// flaw is a place where a document contradicts what Bitbucket really sends. The place is a path below
// components.schemas: the name of the schema, then property names.
type flaw struct {
	at   string
	kind string // null: may be null; extra: has more keys than described
	why  string
}

// cloudFlaws lists the exceptions for cloud.openapi.json. The document knows no nullable values at all, although null
// is what Bitbucket sends for whatever is not there, and its closed objects lack keys that its own examples show.
func cloudFlaws() []flaw {
	return []flaw{
		{"pullrequest author", "null", "the account was deleted"},
		{"pullrequest closed_by", "null", "open, or closed by an account that was deleted"},
		{"pullrequest merge_commit", "null", "not merged"},
		{"pullrequest merge_commit", "extra", "has type and links, as commits of the activity example have"},
		{"pullrequest summary", "extra", "rendered texts have a type, see the examples of commits"},
		{"pullrequest rendered title", "extra", "as summary"},
		{"pullrequest rendered description", "extra", "as summary"},
		{"pullrequest_endpoint repository", "null", "the fork was deleted"},
		{"pullrequest_endpoint commit", "null", "the branch's commit is gone"},
		{"pullrequest_endpoint commit", "extra", "has type and links in the document's own activity example"},
		{"participant participated_on", "null", "asked, but not acted yet (FACTS 59)"},
		{"participant state", "null", "the enumeration has null, the type does not (FACTS 59)"},
		{"project description", "null", "no description"},
		{"project links", "extra", "has self"},
		{"repository mainbranch", "null", "a repository without commits"},
		{"repository parent", "null", "not a fork"},
		{"base_commit summary", "extra", "rendered texts have a type, see the example of this very schema's endpoint"},
		{"tag message", "null", "a lightweight tag"},
		{"tag date", "null", "a lightweight tag"},
		{"tag tagger", "null", "a lightweight tag"},
		{"branchrestriction value", "null", "a kind that has no value"},
		{"deploy_key last_used", "null", "never used"},
		{"project_deploy_key last_used", "null", "never used"},
		{"branching_model development name", "null", "a repository without commits, as the description itself says"},
		{"branching_model production name", "null", "as development"},
		{"effective_repo_branching_model development name", "null", "as development"},
		{"effective_repo_branching_model production name", "null", "as development"},
		{"error error", "extra", "has fields and id (FACTS 85)"},
		{"error error detail", "any", "an object where scopes are missing (FACTS 35)"},
	}
}

// undeclared names the query parameters that all collections share and that the documents mostly do not declare
// (SOURCES.md, "Known flaws of the documents").
func undeclared(name string) bool {
	switch name {
	case "page", "pagelen", "q", "sort", "fields", "start", "limit":
		return true
	}
	return false
}

// mend applies the exceptions. One that no longer fits the document is an error, so that the table stays true.
func (d *Document) mend() error {
	if d.name == "datacenter.openapi.json" {
		return d.mendDataCenter()
	}
	if d.name != "cloud.openapi.json" {
		return nil
	}
	for _, f := range cloudFlaws() {
		names := strings.Fields(f.at)
		parent := properties(lookup(d.root, "components", "schemas", names[0]))
		for _, n := range names[1 : len(names)-1] {
			parent = properties(parent[n])
		}
		key := names[len(names)-1]
		s, ok := parent[key].(map[string]any)
		if !ok {
			return fmt.Errorf("the exception for %q fits nothing", f.at)
		}
		switch f.kind {
		case "null":
			parent[key] = map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
		case "extra":
			target := s
			if either, ok := s["anyOf"].([]any); ok {
				target, _ = either[0].(map[string]any)
			}
			if target["additionalProperties"] != false {
				return fmt.Errorf("the exception for %q is not needed: the object is open", f.at)
			}
			delete(target, "additionalProperties")
		case "any":
			parent[key] = map[string]any{}
		}
	}
	return nil
}

// properties returns the properties of a schema, also where they stand in an allOf.
func properties(schema any) map[string]any {
	s, _ := schema.(map[string]any)
	if p, ok := s["properties"].(map[string]any); ok {
		return p
	}
	parts, _ := s["allOf"].([]any)
	for _, part := range parts {
		if p := properties(part); p != nil {
			return p
		}
	}
	return nil
}

// mendDataCenter applies the exceptions for datacenter.openapi.json: it knows no nullable values either, and describes
// most objects again wherever they occur, so the exceptions hold for every property of the name. It has no general
// form of errors; that of FACTS 139 is added.
func (d *Document) mendDataCenter() error {
	nullable := map[string]string{
		"nextPageStart": "the last page of older versions (FACTS 121)",
		"context":       "an error about nothing in particular (FACTS 139)",
		"exceptionName": "an error that is no exception (FACTS 139)",
		"emailAddress":  "the user was deleted",
		"hash":          "a lightweight tag",
	}
	met := map[string]bool{}
	allowNull(d.root["paths"], nullable, met)
	allowNull(d.root["components"], nullable, met)
	for name := range nullable {
		if !met[name] {
			return fmt.Errorf("the exception for %q fits nothing", name)
		}
	}
	schemas, ok := lookup(d.root, "components", "schemas").(map[string]any)
	if !ok {
		return fmt.Errorf("the document has no schemas")
	}
	schemas["error"] = map[string]any{
		"type": "object", "required": []any{"errors"},
		"properties": map[string]any{"errors": map[string]any{
			"type": "array", "minItems": 1, "items": map[string]any{"$ref": "#/components/schemas/RestErrorMessage"},
		}},
	}
	return nil
}

// allowNull lets every property of the given names be null, in place.
func allowNull(v any, names map[string]string, met map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			allowNull(x, names, met)
		}
	case map[string]any:
		props, _ := v["properties"].(map[string]any)
		for name, s := range props {
			schema, ok := s.(map[string]any)
			if kind, plain := schema["type"].(string); ok && plain && names[name] != "" {
				schema["type"] = []any{kind, "null"}
				met[name] = true
			}
		}
		for _, x := range v {
			allowNull(x, names, met)
		}
	}
}
