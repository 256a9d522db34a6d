package criu

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mydocker/internal/fault"
)

// ConfigAnnotation names a configuration file of criu, whose settings go before all others; empty is none.
const ConfigAnnotation = "org.criu.config"

// defaultConfigs are those that are used where they are there: ours, else that of runc.
var defaultConfigs = [...]string{"/etc/criu/mydocker.conf", "/etc/criu/runc.conf"}

func configFile(annotations map[string]string) (*string, error) {
	if path, ok := annotations[ConfigAnnotation]; ok {
		if path == "" {
			return nil, nil
		}
		if _, err := os.Stat(path); err != nil {
			return nil, fault.New(fault.Config, "annotations."+ConfigAnnotation, fmt.Errorf("configuration file of criu: %w", err))
		}
		return &path, nil
	}
	for _, path := range defaultConfigs {
		if _, err := os.Stat(path); err == nil {
			return &path, nil
		}
	}
	return nil, nil
}

// readSettings reads a configuration file of criu: an option and its value on each line, "#" begins a comment. criu
// reads it itself: what it does then is to be known here.
func readSettings(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.CRIU, "", fmt.Errorf("configuration file of criu: %w", err))
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		end := strings.IndexAny(line, " \t=")
		if end < 0 {
			end = len(line)
		}
		settings[line[:end]] = strings.Trim(line[end:], " \t=\"'")
	}
	return settings, nil
}

// logPath is where criu logs to that was told of a directory and a name.
func (c *call) logPath(dir, name string) string {
	if own := c.settings["work-dir"]; own != "" {
		dir = own
	}
	if own := c.settings["log-file"]; own != "" {
		name = own
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
