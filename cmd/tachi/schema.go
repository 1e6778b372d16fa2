package main

import (
	"github.com/seed49bbd0e6/tachi/graph/describe"
	"github.com/seed49bbd0e6/tachi/stages"
)

// schemaCmd prints the schema.
type schemaCmd struct{}

// Run prints it.
func (schemaCmd) Run(a *app) error {
	schema, err := describe.Schema(stages.All)
	if err != nil {
		return err
	}
	_, err = a.out.Write(append(schema, '\n'))
	return err
}
