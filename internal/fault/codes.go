package fault

//go:generate go run ./gen ../../docs/errors.md

// The codes, by what failed. docs/errors.md is made of these comments: of each the first sentence says what is the
// matter, the others say what to do.
const (
	// The command line is wrong. `mydocker COMMAND --help` lists the flags and arguments.
	Usage Code = "E_USAGE"
	// The container ID has a wrong form. It is made of letters, digits and `_+-.`, and is not `.` or `..`.
	ID Code = "E_ID_INVALID"
	// The ID is taken. `mydocker list` shows the containers; delete the old one, or take another ID.
	Exists Code = "E_ID_EXISTS"
	// There is no such container. `mydocker list` shows those of this `--root`; each `--root` has its own.
	NotFound Code = "E_NOT_FOUND"
	// The container is in the wrong state for this. `mydocker state ID` says in which.
	State Code = "E_STATE"

	// There is no config.json in the bundle. Give its directory by `--bundle`, or make one by `mydocker spec`.
	NoConfig Code = "E_CONFIG_NOT_FOUND"
	// The document is not JSON, or a value has the wrong type. The text has the line and the column.
	JSON Code = "E_CONFIG_JSON"
	// A value in config.json, or in a process.json, is not allowed. `field` says which; `mydocker check` lists all that are wrong.
	Config Code = "E_CONFIG"
	// The specification has no such key, so it is ignored. Only `check` says so: see the hint for the key that was perhaps meant.
	UnknownKey Code = "E_CONFIG_UNKNOWN_KEY"
	// An object has the same key twice: the last one wins. Only `check` says so; remove the other.
	DuplicateKey Code = "E_CONFIG_DUPLICATE_KEY"
	// The value is allowed, but perhaps not what is meant. Only `check` says so.
	Doubtful Code = "E_CONFIG_DOUBTFUL"

	// This kernel or host has not got what the configuration asks for. The hint names the feature, and the version of Linux that brought it; `mydocker check --host` lists what there is.
	Unsupported Code = "E_UNSUPPORTED"
	// A security module is asked for a label or profile that it does not take. It may be disabled (`mydocker check --host`), or the profile not loaded.
	LSM Code = "E_LSM"
	// The seccomp profile is wrong, or could not be loaded. `field` says which part; without process.noNewPrivileges loading takes CAP_SYS_ADMIN.
	Seccomp Code = "E_SECCOMP"

	// The root filesystem cannot be used. A relative root.path is below the bundle's directory, and root of the container's user namespace has to be able to reach it.
	Rootfs Code = "E_ROOTFS"
	// A path leads out of the root filesystem. It is resolved as if that were all there is, so it ends inside; only `check` says so.
	PathLeaves Code = "E_PATH_LEAVES"
	// A mount failed. The text has the kernel's and the filesystem's own words, `field` says which of mounts it is.
	Mount Code = "E_MOUNT"
	// A mount of type bind has no option that makes it one. Type "bind" alone is for people: add "bind" or "rbind" to the options.
	MountNotBind Code = "E_MOUNT_NOT_BIND"
	// The source of a bind mount cannot be opened. A relative one is below the bundle's directory.
	MountSource Code = "E_MOUNT_SOURCE"
	// A file is to be mounted on a directory, or a directory on a file. The hint says what each of the two is.
	MountKind Code = "E_MOUNT_KIND"
	// The kernel has no such filesystem. /proc/filesystems lists those that it has; others may be modules that are not loaded.
	Filesystem Code = "E_FILESYSTEM_UNKNOWN"
	// The kernel refuses a procfs, since parts of the one outside are covered. In a user namespace that would uncover them: uncover those that the hint lists, or bind the outer /proc (options rbind).
	ProcMasked Code = "E_PROC_MASKED"
	// A device could not be made. See linux.devices; in a user namespace the host's device is bound, so it has to be there.
	Device Code = "E_DEVICE"

	// A namespace could not be made or joined. The hint names the limit or the sysctl that is in the way.
	Namespace Code = "E_NAMESPACE"

	// A cgroup could not be made, entered or limited. See linux.cgroupsPath and linux.resources; `mydocker check --host` lists the controllers.
	Cgroup Code = "E_CGROUP"
	// The cgroup controller that a limit needs is not there. It is not mounted (v1), or not enabled in the cgroups above (v2, cgroup.subtree_control).
	Controller Code = "E_CGROUP_CONTROLLER"
	// The caller may not make a cgroup with these limits. Leave the limits out, or have a cgroup delegated (systemd: `Delegate=yes`, and `--systemd-cgroup`).
	Delegation Code = "E_CGROUP_DELEGATION"
	// The memory limit is too low for any program. A small static program needs some hundred kilobytes, most need megabytes.
	MemoryLow Code = "E_MEMORY_TOO_LOW"

	// A hook failed. The text has its exit status and the beginning of its output.
	Hook Code = "E_HOOK"

	// The program is missing. A name without a slash is looked for in the PATH of process.env, inside the root filesystem.
	ExecNotFound Code = "E_EXEC_NOT_FOUND"
	// The program may not be executed. Its mode, a mount with noexec, a directory that the user may not search, or its being a directory stand in the way.
	ExecDenied Code = "E_EXEC_DENIED"
	// The kernel cannot execute the program. It is for another architecture, or a script without a `#!` line.
	ExecFormat Code = "E_EXEC_FORMAT"
	// The program is there, but its interpreter is not. That is the loader of a dynamic binary, or what the `#!` line names: the hint says which file is missing in the root filesystem.
	ExecInterp Code = "E_EXEC_INTERPRETER"
	// An attribute of the process could not be set, or init ended early. `step` and `field` say which attribute.
	Process Code = "E_PROCESS"
	// The terminal could not be made or handed over. It needs a devpts at /dev/pts and, without a foreground, `--console-socket`.
	Console Code = "E_CONSOLE"

	// criu could not save or restore the processes. The text has the first error of its log, or how it ended, and where the log is.
	CRIU Code = "E_CRIU"

	// The caller may not do this. Run it as root, or see `mydocker spec --rootless`.
	Permission Code = "E_PERMISSION"
	// Something did not answer in time. Another command may hold the container, or systemd hang.
	Timeout Code = "E_TIMEOUT"
	// A signal ended the command. What it had made is removed.
	Interrupted Code = "E_INTERRUPTED"
	// The state directory cannot be read or written. See `--root`: it has to be writable, and its filesystem not full.
	StateDirectory Code = "E_STATE_DIRECTORY"
	// The kernel refused a system call. `errno` says why.
	System Code = "E_SYSTEM"
	// A bug in mydocker. Please report it, with the log of `--debug`.
	Internal Code = "E_INTERNAL"
)
