package sandbox

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// DayOptions say which day in the life of a company Day plays.
type DayOptions struct {
	Product string `json:"product"` // cloud (the default) or datacenter
	Seed    uint64 `json:"seed"`    // 0 means the sandbox's
	Day     int    `json:"day"`     // its number; other numbers, other acts
	Acts    int    `json:"acts"`    // default 200

	// Without names acts that nobody does, such as those that no webhook tells: "grant", "group/create".
	Without []string `json:"without"`
}

// Act is one control act, as it can be posted to /sandbox/{Command}.
type Act struct {
	At        time.Time       `json:"at"`
	Command   string          `json:"command"`
	Arguments json.RawMessage `json:"arguments"`
	Refused   string          `json:"refused,omitempty"` // why nothing happened: a merge of what is in conflict, a name that is taken
}

// Day lets people do what they do in a day: push, review, merge, and now and then change what is set. The acts follow
// from the options and from how things stand, are dated evenly over the 24 hours before the sandbox's clock (and after
// whatever happened last), and are real control acts. Who signs in to the sandbox and what its known credentials are
// for stays.
func (s *Sandbox) Day(o DayOptions) ([]Act, error) {
	s.dayMu.Lock()
	defer s.dayMu.Unlock()
	if o.Seed == 0 {
		o.Seed = s.opts.Seed
	}
	setDefault(&o.Acts, 200)
	d := &today{s: s, without: o.Without, r: derive(o.Seed, streamDay, uint64(o.Day))}
	switch o.Product {
	case "", "cloud":
		d.w = s.world
	case "datacenter":
		d.prefix = "dc/"
		s.mu.Lock()
		d.dc = s.dc()
		s.mu.Unlock()
		d.w = d.dc.world
		d.r.next() // the two products have different days
	default:
		return nil, fault.New(fault.Invalid, "%q is no product", o.Product).With("use cloud or datacenter")
	}
	s.mu.RLock()
	end := s.clock().UnixMicro()
	begin := max(s.lastNow, end-day)
	d.known()
	s.mu.RUnlock()
	defer s.actAt(0)
	var done []Act
	for i := range o.Acts {
		at := begin + max(0, end-begin)/int64(o.Acts+1)*int64(i+1)
		s.actAt(at)
		act, err := d.act(at)
		if err != nil {
			return done, err
		}
		done = append(done, act)
	}
	return done, nil
}

// actAt dates what happens from now on; zero means by the clock.
func (s *Sandbox) actAt(at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acting = at
}

// today is a day while it is played.
type today struct {
	s      *Sandbox
	w      *world
	dc     *dataCenter // nil: Bitbucket Cloud
	prefix string      // of the commands
	r      random
	keep   map[*user]bool // who signs in to the sandbox

	without []string
}

// known finds out who must stay.
func (d *today) known() {
	d.keep = map[*user]bool{}
	for _, c := range d.s.creds {
		d.keep[c.user] = true
	}
	if d.dc != nil {
		for _, c := range d.dc.creds {
			d.keep[c.user] = true
		}
	}
}

// order is a control act before it is done.
type order struct {
	command string
	args    any
}

// act chooses an act and does it. What cannot be chosen as things stand is tried otherwise; there is always something
// to comment on or to push.
func (d *today) act(at int64) (Act, error) {
	o := d.choose()
	body, err := json.Marshal(o.args)
	if err != nil {
		return Act{}, err
	}
	act := Act{At: time.UnixMicro(at).UTC(), Command: d.prefix + o.command, Arguments: body}
	run := d.s.commands[act.Command]
	if run == nil {
		return act, fault.New(fault.Internal, "there is no act %q", act.Command)
	}
	if _, err := run(d.s, body); err != nil {
		if fault.CodeOf(err) == fault.Internal {
			return act, err
		}
		act.Refused = err.Error()
	}
	return act, nil
}

// choose looks at how things stand under the read lock.
func (d *today) choose() order {
	d.s.mu.RLock()
	defer d.s.mu.RUnlock()
	for range 100 {
		n, all := d.r.intn(1000), d.habits()
		for _, h := range all {
			if n -= h.often; n < 0 {
				if o, ok := h.do(); ok && !slices.Contains(d.without, o.command) {
					return o
				}
				break
			}
		}
	}
	return order{"create/user", map[string]any{"name": "Nobody Else", "email": d.name("nobody") + "@acme.example", "user": d.name("nobody")}}
}

// habit is something that people do so often in a thousand acts.
type habit struct {
	often int
	do    func() (order, bool)
}

// habits are all of them; the numbers add up to a thousand.
func (d *today) habits() []habit {
	return []habit{
		{130, d.push},
		{40, d.branch},
		{20, d.dropBranch},
		{15, d.force},
		{120, d.open},
		{120, d.approve},
		{30, d.unapprove},
		{40, d.requestChanges},
		{90, d.comment},
		{75, d.merge},
		{30, d.decline},
		{10, d.reopen},
		{55, d.editPull},
		{15, d.retarget},
		{12, d.createRepository},
		{10, d.renameRepository},
		{8, d.moveRepository},
		{5, d.archive},
		{6, d.deleteRepository},
		{6, d.publish},
		{6, d.defaultBranch},
		{4, d.createProject},
		{5, d.renameProject},
		{2, d.deleteProject},
		{8, d.join},
		{5, d.leave},
		{5, d.renameUser},
		{6, d.createGroup},
		{4, d.deleteGroup},
		{12, d.joinGroup},
		{8, d.leaveGroup},
		{18, d.grant},
		{8, d.take},
		{12, d.restrict},
		{10, d.changeRestriction},
		{5, d.unrestrict},
		{8, d.reviewers},
		{6, d.addHook},
		{5, d.changeHook},
		{4, d.deleteHook},
		{6, d.addKey},
		{4, d.deleteKey},
		{5, d.addEnvironment},
		{3, d.deleteEnvironment},
		{4, d.everybody},
	}
}
