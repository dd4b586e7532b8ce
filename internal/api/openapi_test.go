package api_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/api"
)

var update = flag.Bool("update", false, "rewrite docs/openapi.json")

func TestOpenAPIIsCheckedIn(t *testing.T) {
	want, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("docs/openapi.json is stale; run go test ./internal/api -update\n%s", d)
	}
}

// TestOpenAPIPromises checks what the description promises about every operation.
func TestOpenAPIPromises(t *testing.T) {
	text, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string         `json:"operationId"`
			Summary     string         `json:"summary"`
			Responses   map[string]any `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("got version %s", doc.OpenAPI)
	}
	n := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			n++
			if !strings.HasPrefix(path, "/api/v1/") || op.OperationID == "" || op.Summary == "" {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			problem, _ := json.Marshal(op.Responses["default"])
			if !strings.Contains(string(problem), "application/problem+json") || !strings.Contains(string(problem), "schemas/Problem") {
				t.Errorf("%s %s promises no problem: %s", method, path, problem)
			}
		}
	}
	if n < 27 {
		t.Errorf("got %d operations", n)
	}
	if strings.Contains(string(text), "ErrorModel") {
		t.Error("huma's own form of errors is in the description")
	}
}
