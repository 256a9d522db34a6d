/*
 * floor: the kernel's share of `run /bin/true` with the default spec. It asks the kernel for the same objects as a
 * runtime has to (cgroups, namespaces, mounts, devices, masks, identity, exec, and their end), once each, and does
 * nothing else: it reads no configuration, checks nothing, keeps no state and protects nobody. No runtime can be
 * cheaper than this by much.
 *
 * usage: floor ROOTFS CGROUP MOUNTS [HIERARCHY…]
 * MOUNTS is how many more bind mounts there are: directory m of ROOTFS, read-only, at m/0, m/1 and so on.
 * CGROUP is made in each HIERARCHY, a mount point of cgroup v1. Without one it is made in /sys/fs/cgroup (v2), and
 * no device program is loaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TRY(call) do { if ((call) < 0) die(#call); } while (0)

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static const char *cgroup_file(const char *hierarchy, const char *cgroup, const char *file)
{
	static char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", hierarchy, cgroup, file);
	return path;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* A cpuset of v1 is empty, and takes nobody, until it is given what its parent has. */
static void inherit(const char *hierarchy, const char *cgroup, const char *file)
{
	char text[4096];
	int fd = open(cgroup_file(hierarchy, ".", file), O_RDONLY | O_CLOEXEC);
	TRY(fd);
	ssize_t length = read(fd, text, sizeof text - 1);
	TRY(length);
	text[length] = 0;
	close(fd);
	put(cgroup_file(hierarchy, cgroup, file), text);
}

static const char *last(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* The rules that every runtime gives a container with the default spec. */
static void devices(const char *hierarchy, const char *cgroup)
{
	static const char *const allow[] = {
		"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:5 rwm", "c 1:9 rwm",
		"c 136:* rwm", "c 5:2 rwm",
	};
	put(cgroup_file(hierarchy, cgroup, "devices.deny"), "a");
	int fd = open(cgroup_file(hierarchy, cgroup, "devices.allow"), O_WRONLY | O_CLOEXEC);
	TRY(fd);
	for (size_t i = 0; i < COUNT(allow); i++)
		TRY(write(fd, allow[i], strlen(allow[i])));
	close(fd);
}

static void cgroup_mount(const char *cgroup, char **hierarchies, int count)
{
	char source[4096], target[4096];
	unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	if (count == 0) {
		snprintf(source, sizeof source, "/sys/fs/cgroup/%s", cgroup);
		TRY(mount(source, "sys/fs/cgroup", NULL, MS_BIND, NULL));
		TRY(mount(NULL, "sys/fs/cgroup", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, NULL));
		return;
	}
	TRY(mount("tmpfs", "sys/fs/cgroup", "tmpfs", flags, "mode=755"));
	for (int i = 0; i < count; i++) {
		snprintf(source, sizeof source, "%s/%s", hierarchies[i], cgroup);
		snprintf(target, sizeof target, "sys/fs/cgroup/%s", last(hierarchies[i]));
		TRY(mkdir(target, 0755));
		TRY(mount(source, target, NULL, MS_BIND, NULL));
		TRY(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | flags, NULL));
	}
	TRY(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL));
}

static void more_mounts(const char *rootfs, int more)
{
	char source[4096], target[32];

	snprintf(source, sizeof source, "%s/m", rootfs);
	for (int i = 0; i < more; i++) {
		snprintf(target, sizeof target, "m/%d", i);
		TRY(mount(source, target, NULL, MS_BIND, NULL));
		TRY(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL));
	}
}

static void mounts(const char *rootfs, const char *cgroup, char **hierarchies, int count, int more)
{
	TRY(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	TRY(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
	TRY(chdir(rootfs));
	TRY(mount("proc", "proc", "proc", 0, NULL));
	TRY(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	TRY(mkdir("dev/pts", 0755));
	TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	TRY(mkdir("dev/shm", 0755));
	TRY(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k"));
	TRY(mkdir("dev/mqueue", 0755));
	TRY(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
	TRY(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
	cgroup_mount(cgroup, hierarchies, count);
	more_mounts(rootfs, more);
}

static void nodes(void)
{
	static const struct { const char *path; int major, minor; } device[] = {
		{"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/tty", 5, 0}, {"dev/random", 1, 8},
		{"dev/urandom", 1, 9},
	};
	static const char *const link[][2] = {
		{"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
		{"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"}, {"/proc/kcore", "dev/core"},
	};
	umask(0);
	for (size_t i = 0; i < COUNT(device); i++)
		TRY(mknod(device[i].path, S_IFCHR | 0666, makedev(device[i].major, device[i].minor)));
	for (size_t i = 0; i < COUNT(link); i++)
		TRY(symlink(link[i][0], link[i][1]));
	umask(022);
}

static void pivot(void)
{
	TRY(syscall(SYS_pivot_root, ".", "."));
	TRY(umount2(".", MNT_DETACH));
	TRY(chdir("/"));
	TRY(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
}

static void protect(void)
{
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
	static const char *const masked[] = {
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	};
	for (size_t i = 0; i < COUNT(readonly); i++) {
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) < 0 && errno == ENOENT)
			continue;
		TRY(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	}
	for (size_t i = 0; i < COUNT(masked); i++)
		if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) < 0 && errno == ENOTDIR)
			TRY(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=1"));
}

static void loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	TRY(fd);
	TRY(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

static void identity(void)
{
	static const int kept[] = {CAP_AUDIT_WRITE, CAP_KILL, CAP_NET_BIND_SERVICE};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	struct rlimit files = {1024, 1024};

	for (size_t i = 0; i < COUNT(kept); i++)
		data[0].permitted = data[0].effective |= 1u << kept[i];
	TRY(setrlimit(RLIMIT_NOFILE, &files));
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap >= 32 || !(data[0].permitted & 1u << cap))
			TRY(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
	TRY(syscall(SYS_setgroups, 0, NULL));
	TRY(syscall(SYS_setresgid, 0, 0, 0));
	TRY(syscall(SYS_setresuid, 0, 0, 0));
	TRY(syscall(SYS_capset, &header, data));
	TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

int main(int argc, char **argv)
{
	static char *const program[] = {"/bin/true", NULL};
	static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	char unified[] = "/sys/fs/cgroup", *single[] = {unified};
	int gate[2], status;

	if (argc < 4) {
		fputs("usage: floor ROOTFS CGROUP MOUNTS [HIERARCHY...]\n", stderr);
		return 2;
	}
	char **hierarchies = argc > 4 ? argv + 4 : single;
	int count = argc > 4 ? argc - 4 : 1;

	for (int i = 0; i < count; i++)
		if (mkdir(cgroup_file(hierarchies[i], argv[2], ""), 0755) < 0)
			die(hierarchies[i]);
	TRY(pipe2(gate, O_CLOEXEC));
	pid_t child = syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD,
			      NULL, NULL, NULL, NULL);
	TRY(child);
	if (child == 0) {
		char byte;
		close(gate[1]);
		TRY(read(gate[0], &byte, 1));
		TRY(setsid());
		TRY(syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, "floor", 0, 0, 0));
		loopback();
		mounts(argv[1], argv[2], argv + 4, argc - 4, atoi(argv[3]));
		nodes();
		pivot();
		TRY(sethostname("floor", 5));
		protect();
		identity();
		execve(program[0], program, environment);
		die(program[0]);
	}
	char pid[16];
	snprintf(pid, sizeof pid, "%d", child);
	for (int i = 0; i < count; i++) {
		if (strcmp(last(hierarchies[i]), "devices") == 0)
			devices(hierarchies[i], argv[2]);
		if (strcmp(last(hierarchies[i]), "cpuset") == 0) {
			inherit(hierarchies[i], argv[2], "cpuset.cpus");
			inherit(hierarchies[i], argv[2], "cpuset.mems");
		}
		put(cgroup_file(hierarchies[i], argv[2], "cgroup.procs"), pid);
	}
	close(gate[0]);
	close(gate[1]);
	TRY(waitpid(child, &status, 0));
	for (int i = 0; i < count; i++)
		if (rmdir(cgroup_file(hierarchies[i], argv[2], "")) < 0)
			die(hierarchies[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
