package sandbox

// The functions of this file are what people do with branches and pull requests.

func (d *today) push() (order, bool) {
	r := d.full()
	if r == nil {
		return order{}, false
	}
	o := Push{Repository: r.fullName(), Message: prTitle(&d.r, "DAY", d.r.intn(1000)), Files: d.files()}
	if branch, ok := d.side(r); ok && d.r.chance(0.7) {
		o.Branch = branch
	}
	return d.by(r, o)
}

// files are what a push changes.
func (d *today) files() map[string]string {
	return map[string]string{"src/" + pick(&d.r, subjects()) + ".txt": "Line " + d.name("one") + "\n"}
}

func (d *today) by(r *repo, o Push) (order, bool) {
	u := d.person(r.ws)
	if u == nil {
		return order{}, false
	}
	o.Author = d.ref(u)
	return order{"push", o}, true
}

// branch makes a new one; in an empty repository the first.
func (d *today) branch() (order, bool) {
	r := d.aRepo()
	if r == nil || r.archived {
		return order{}, false
	}
	o := Push{Repository: r.fullName(), Branch: "feature/" + d.name("day"), Files: d.files()}
	switch {
	case r.empty && d.r.chance(0.5):
		o.Branch = "main"
	case r.empty:
		o.Branch = "master"
	case d.r.chance(0.2):
		o.Branch = "release/" + d.name("v")
	}
	return d.by(r, o)
}

func (d *today) dropBranch() (order, bool) {
	r := d.full()
	if r == nil {
		return order{}, false
	}
	branch, ok := d.side(r)
	return order{"push", Push{Repository: r.fullName(), Branch: branch, Delete: true}}, ok
}

func (d *today) force() (order, bool) {
	r := d.full()
	if r == nil {
		return order{}, false
	}
	branch, ok := d.side(r)
	if !ok {
		branch = r.main
	}
	return d.by(r, Push{Repository: r.fullName(), Branch: branch, Force: true, Files: d.files()})
}

func (d *today) open() (order, bool) {
	r := d.full()
	if r == nil {
		return order{}, false
	}
	u := d.person(r.ws)
	if u == nil {
		return order{}, false
	}
	o := PullRequestSpec{
		Repository: r.fullName(), Title: prTitle(&d.r, "DAY", int(r.nextPR)), Source: "feature/" + d.name("pull"), Author: d.ref(u),
		Reviewers: d.people(r.ws, d.r.intn(4)), CloseSource: d.r.chance(0.5),
	}
	o.Description, _ = prDescription(&d.r)
	if d.dc == nil || d.dc.version.drafts() {
		o.Draft = d.r.chance(0.1)
	}
	return order{"open", o}, true
}

// onOpen is an act of somebody on an open pull request: of a reviewer, most of the time.
func (d *today) onOpen(command string) (order, bool) {
	p := d.pull(open)
	if p == nil {
		return order{}, false
	}
	u := d.person(p.repo.ws)
	if len(p.people) > 0 && d.r.chance(0.7) {
		u = pick(&d.r, p.people).user
	}
	if u == nil || u.gone || u == p.author && command != "merge" {
		return order{}, false
	}
	return order{command, target{Repository: p.repo.fullName(), ID: int(p.id), User: d.ref(u)}}, true
}

func (d *today) approve() (order, bool)   { return d.onOpen("approve") }
func (d *today) unapprove() (order, bool) { return d.onOpen("unapprove") }
func (d *today) merge() (order, bool)     { return d.onOpen("merge") }

func (d *today) requestChanges() (order, bool) {
	if d.dc != nil {
		return d.onOpen("needs-work")
	}
	return d.onOpen("request-changes")
}

func (d *today) decline() (order, bool) {
	o, ok := d.onOpen("decline")
	if t, is := o.args.(target); is {
		t.Reason = pick(&d.r, reasons())
		o.args = t
	}
	return o, ok
}

func (d *today) comment() (order, bool) {
	p := d.pull()
	if p == nil {
		return order{}, false
	}
	u := d.person(p.repo.ws)
	if u == nil {
		return order{}, false
	}
	return order{"comment", target{Repository: p.repo.fullName(), ID: int(p.id), User: d.ref(u)}}, true
}

func (d *today) reopen() (order, bool) {
	if d.dc == nil {
		return order{}, false
	}
	p, u := d.pull(declined), d.person(nil)
	if p == nil || u == nil {
		return order{}, false
	}
	return order{"reopen", target{Repository: p.repo.fullName(), ID: int(p.id), User: d.ref(u)}}, true
}

func (d *today) editPull() (order, bool) {
	p := d.pull(open)
	if p == nil {
		return order{}, false
	}
	o := PullRequestUpdate{Repository: p.repo.fullName(), ID: int(p.id)}
	switch d.r.intn(5) {
	case 0:
		text, _ := prDescription(&d.r)
		o.Description = &text
	case 1:
		names := d.people(p.repo.ws, d.r.intn(4))
		if names == nil {
			names = []string{}
		}
		o.Reviewers = &names
	case 2:
		if d.dc != nil && !d.dc.version.drafts() {
			return order{}, false
		}
		draft := !p.draft
		o.Draft = &draft
	default:
		title := prTitle(&d.r, "DAY", int(p.id))
		o.Title = &title
	}
	return order{"update", o}, true
}

func (d *today) retarget() (order, bool) {
	p := d.pull(open)
	if p == nil {
		return order{}, false
	}
	to := pick(&d.r, d.branches(p.repo))
	return order{"update", PullRequestUpdate{Repository: p.repo.fullName(), ID: int(p.id), Destination: &to}}, to != p.srcBranch && to != p.dstBranch
}
