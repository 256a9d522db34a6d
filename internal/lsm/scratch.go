package lsm

func AppArmorEnabled() bool { return false }
func SELinuxEnabled() bool  { return false }
