package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The variables that make the test binary an SSH client for git: the file of its private key and the host's key.
const (
	clientKeyVariable = "WINDLASS_TEST_SSH_KEY"
	clientHostKey     = "WINDLASS_TEST_SSH_HOST_KEY"
)

// sshClient is what git runs in place of ssh, with the arguments that git gives to OpenSSH: so the tests need no
// package of the machine's. It returns the exit status.
func sshClient(args []string) int {
	status, err := runSSHClient(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 255
	}
	return status
}

func runSSHClient(args []string) (int, error) {
	host, port, environment := "", "22", false
	var command []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-p":
			i++
			port = args[i]
		case args[i] == "-o":
			i++
			environment = environment || args[i] == "SendEnv=GIT_PROTOCOL"
		case host == "":
			host = args[i]
		default:
			command = append(command, args[i])
		}
	}
	text, err := os.ReadFile(os.Getenv(clientKeyVariable))
	if err != nil {
		return 0, err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return 0, err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(os.Getenv(clientHostKey)))
	if err != nil {
		return 0, err
	}
	user, host, _ := strings.Cut(host, "@")
	client, err := ssh.Dial("tcp", net.JoinHostPort(strings.Trim(host, "[]"), port), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return 0, err
	}
	defer session.Close()
	if v := os.Getenv("GIT_PROTOCOL"); environment && v != "" {
		if err := session.Setenv("GIT_PROTOCOL", v); err != nil {
			return 0, err
		}
	}
	session.Stdout, session.Stderr = os.Stdout, os.Stderr
	in, err := session.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := session.Start(strings.Join(command, " ")); err != nil {
		return 0, err
	}
	go func() {
		_, _ = io.Copy(in, os.Stdin)
		_ = in.Close()
	}()
	if exit, ok := errors.AsType[*ssh.ExitError](session.Wait()); ok {
		return exit.ExitStatus(), nil
	}
	return 0, nil
}
