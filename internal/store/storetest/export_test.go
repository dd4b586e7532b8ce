package storetest

// ServerPrograms is where the newest PostgreSQL programs are, for tests that dump a database.
func ServerPrograms() (string, error) { return serverPrograms() }
