package app

import "context"

// doctorStore looks at the database.
func (a *App) doctorStore(ctx context.Context, add adder) error {
	add("ok", "database", "", "%s", a.store.Dialect().Name())
	return nil
}
