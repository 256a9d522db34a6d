package libinit

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Keyring gives the container a session keyring of its own, so that it does not share the caller's keys
// (session-keyring(7)).
type Keyring struct{ Label string } // the SELinux label of the keyring, "" for the default

func (*Keyring) String() string { return "join a new session keyring" }

// Do lets who is the same user inside search the keyring. A kernel without keyrings has nothing to separate.
func (k *Keyring) Do(e *Env) error {
	if k.Label != "" {
		if err := e.writeAttr("keycreate", k.Label); err != nil {
			return stepError(k, err)
		}
	}
	// Without a name: one that has a name is joined by whoever asks for that name.
	const joinSession = 1
	n, _, errno := unix.Syscall(unix.SYS_KEYCTL, joinSession, 0, 0)
	if errno == unix.ENOSYS || errno == unix.EPERM && k.Label == "" {
		return nil
	}
	if errno != 0 {
		return stepError(k, errno)
	}
	id := int(n)
	if k.Label != "" {
		if err := e.writeAttr("keycreate", ""); err != nil {
			return stepError(k, err)
		}
	}
	const searchByUser = 0x80000
	perm, err := keyPermissions(id)
	if err != nil {
		return stepError(k, err)
	}
	return stepError(k, unix.KeyctlSetperm(id, perm|searchByUser))
}

// keyPermissions reads the permissions of a key: the fourth part of its description
// (keyctl_describe(3): type;uid;gid;perm;description).
func keyPermissions(id int) (uint32, error) {
	description, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	if err != nil {
		return 0, err
	}
	return parseKeyPermissions(description)
}

func parseKeyPermissions(description string) (uint32, error) {
	parts := strings.Split(description, ";")
	if len(parts) < 5 {
		return 0, errors.New("description of keyring: malformed")
	}
	perm, err := strconv.ParseUint(parts[3], 16, 32)
	return uint32(perm), err
}
