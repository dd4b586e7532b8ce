package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A child is a process of the measured binary that runs until stopped.
type child struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan struct{} // closed when it has ended
	err  error         // why, once done
	once sync.Once
}

func start(ctx context.Context, env []string, name string, args ...string) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, name, args...), log: &bytes.Buffer{}, done: make(chan struct{})}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = env, c.log, c.log
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(os.Interrupt) }
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.done)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// await returns when the address answers, or why it never will.
func (c *child) await(ctx context.Context, url string) error {
	deadline := time.NewTimer(5 * time.Minute)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if get(ctx, url, nil) == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("%s ended before it answered: %w\n%s", c.cmd, c.err, c.log)
		case <-deadline.C:
			return fmt.Errorf("%s did not answer within 5 minutes", c.cmd)
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// stop ends the process and waits for it. It may be called twice.
func (c *child) stop() {
	c.once.Do(func() {
		if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
			return // it has ended by itself
		}
		select {
		case <-c.done:
		case <-time.After(10 * time.Second):
			c.cmd.Process.Kill()
			<-c.done
		}
	})
}

// usage is what a process took.
type usage struct {
	cpu      time.Duration // user and system
	resident int64         // bytes: the most that was resident, mapped files included
	own      int64         // bytes: the most that was resident and its own
}

// output runs a command to its end and returns what it printed and what it took.
//
// Memory is read from the running process: the kernel's count for ended children starts at the parent's own size.
func output(ctx context.Context, env []string, name string, args ...string) ([]byte, usage, error) {
	var u usage
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return nil, u, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				err = fmt.Errorf("%s: %w\n%s%s", cmd, err, stdout.Bytes(), stderr.Bytes())
			}
			u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			return stdout.Bytes(), u, err
		case <-tick.C:
			resident, own := memoryOf(cmd.Process.Pid)
			u.resident, u.own = max(u.resident, resident), max(u.own, own)
		}
	}
}

// memoryOf returns the largest resident size that a running process has had, and what of its present one is no mapped
// file; zero where the system does not tell (only Linux does in this form).
func memoryOf(pid int) (resident, own int64) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmHWM":
			resident = kib << 10
		case "RssAnon":
			own = kib << 10
		}
	}
	return resident, own
}

// freeAddress returns a loopback address that nothing listens on at this moment.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
