package sandbox

import (
	"encoding/json"
	"net/http"
)

// serveControl is the control API under /sandbox/.
func (s *Sandbox) serveControl(rw http.ResponseWriter, req *http.Request) {
	switch req.Method + " " + req.URL.Path {
	case "GET /sandbox/stats":
		writeControl(rw, http.StatusOK, s.Stats())
	case "POST /sandbox/stats/reset":
		s.ResetStats()
		rw.WriteHeader(http.StatusNoContent)
	default:
		writeControl(rw, http.StatusNotFound, map[string]string{"error": "no such control endpoint"})
	}
}

func writeControl(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v)
}
