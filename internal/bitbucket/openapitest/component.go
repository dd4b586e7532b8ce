package openapitest

import (
	"bytes"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Component checks JSON against one of the document's named schemas, where the document describes an object and not the
// body of the request that carries it.
func (d *Document) Component(name string, body []byte) error {
	s, err := d.schema("#/components/schemas/" + escape(name))
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: no JSON: %w", name, err)
	}
	if err := s.Validate(doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
