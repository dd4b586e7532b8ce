package storetest_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestPostgresGivesEachTestADatabaseOfItsOwn(t *testing.T) {
	first, second := storetest.Postgres(t), storetest.Postgres(t)
	if first == second {
		t.Fatalf("both are %s", first)
	}
	conn, err := pgx.Connect(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var tables int
	var listen string
	if err := conn.QueryRow(t.Context(), "SELECT count(*), current_setting('listen_addresses') FROM pg_tables WHERE schemaname = 'public'").Scan(&tables, &listen); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("a new database has %d tables, want none", tables)
	}
	if os.Getenv(storetest.ServerVariable) == "" && listen != "" {
		t.Errorf("the cluster listens on %q, want the unix socket only", listen)
	}
}
