package lsm

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The list of active modules is in securityfs, which need not be mounted; where it is, both have to agree.
func TestAgreesWithSecurityfs(t *testing.T) {
	b, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		t.Skip("securityfs is not mounted: ", err)
	}
	active := strings.Split(strings.TrimSpace(string(b)), ",")
	if got, want := AppArmorEnabled(), slices.Contains(active, "apparmor"); got != want {
		t.Errorf("AppArmor enabled: %t, active modules: %v", got, active)
	}
	if SELinuxEnabled() && !slices.Contains(active, "selinux") {
		t.Errorf("SELinux enabled, active modules: %v", active)
	}
}
