package sandbox

// edit returns settings that stay as they are set from now on. The caller holds the write lock.
func (r *repo) edit() *settings {
	r.set = r.settings()
	return r.set
}

func (p *project) edit() *settings {
	p.set = p.settings()
	return p.set
}

func (ws *workspace) edit() *settings {
	ws.set = ws.settings()
	return ws.set
}
