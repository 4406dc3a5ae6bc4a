package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// controlSocket is where ovs-vswitchd takes commands: its name has the process
// id, which is in a file beside it.
func controlSocket(runDir string) (string, error) {
	pid, err := os.ReadFile(filepath.Join(runDir, "ovs-vswitchd.pid"))
	if err != nil {
		return "", fmt.Errorf("look for the control socket of ovs-vswitchd: %w", err)
	}
	return filepath.Join(runDir, "ovs-vswitchd."+strings.TrimSpace(string(pid))+".ctl"), nil
}

// controlPatience bounds one command.
const controlPatience = 5 * time.Second

// control runs one command of ovs-vswitchd (unixctl: JSON-RPC 1.0, RFC 7047
// section 4) and returns what it prints.
func control(ctx context.Context, socket, method string, params ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, controlPatience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("reach ovs-vswitchd: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(map[string]any{"id": 0, "method": method, "params": append([]string{}, params...)}); err != nil {
		return "", fmt.Errorf("ask ovs-vswitchd for %s: %w", method, err)
	}
	var answer struct {
		Result string `json:"result"`
		Error  any    `json:"error"`
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return "", fmt.Errorf("read ovs-vswitchd's answer to %s: %w", method, errors.Join(err, ctx.Err()))
	}
	if answer.Error != nil {
		return "", fmt.Errorf("ovs-vswitchd refuses %s: %v", method, answer.Error)
	}
	return answer.Result, nil
}
