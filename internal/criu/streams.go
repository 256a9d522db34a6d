package criu

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// descriptorsFile is in the image directory and tells where the standard streams led. It has runc's name and form.
const descriptorsFile = "descriptors.json"

// Prefixes of the keys of streams that a restore has to give.
const (
	pipePrefix = "pipe:"
	filePrefix = "file["
)

// streamsOf tells where the standard streams of the process lead: a path, "pipe:[INODE]" and the like, or for a file
// that is not in the container criu's key for it (criu(8), --external) and the path, "file[MOUNT:INODE]PATH".
func streamsOf(pid int, all []*mountinfo.Info) (streams [3]string, err error) {
	proc := "/proc/" + strconv.Itoa(pid)
	for fd := range streams {
		n := strconv.Itoa(fd)
		to, err := os.Readlink(proc + "/fd/" + n)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return streams, err
		}
		streams[fd] = to
		var st unix.Stat_t
		if err := unix.Stat(proc+"/fd/"+n, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		mount, err := mountOf(proc + "/fdinfo/" + n)
		if err != nil {
			return streams, err
		}
		if !slices.ContainsFunc(all, func(m *mountinfo.Info) bool { return m.ID == mount }) {
			streams[fd] = fmt.Sprintf("%s%x:%x]%s", filePrefix, mount, st.Ino, to)
		}
	}
	return streams, nil
}

// mountOf reads the mount ID of an open file (proc_pid_fdinfo(5)).
func mountOf(fdinfo string) (int, error) {
	b, err := os.ReadFile(fdinfo)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strconv.Atoi(strings.TrimSpace(id))
		}
	}
	return 0, errors.New(fdinfo + ": no mnt_id")
}

func (o *Options) saveStreams(streams [3]string) error {
	b, err := json.Marshal(streams)
	if err == nil {
		err = os.WriteFile(filepath.Join(o.ImagePath, descriptorsFile), b, 0o600)
	}
	if err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("write %s: %w", descriptorsFile, err))
	}
	return nil
}

// fileKey takes a stream that led to a file of the host apart.
func fileKey(stream string) (key, path string, ok bool) {
	if !strings.HasPrefix(stream, filePrefix) {
		return "", "", false
	}
	key, path, ok = strings.Cut(stream, "]")
	return key + "]", path, ok
}

// inheritStreams gives criu what the standard streams led to outside of the container: in place of pipes those of the
// caller, but the same files where they are there still: criu compares their sizes. What it opens stays open until close.
func (o *Options) inheritStreams(c *call) (close func(), err error) {
	var opened []*os.File
	close = func() { closeAll(opened) }
	b, err := os.ReadFile(filepath.Join(o.ImagePath, descriptorsFile))
	if errors.Is(err, os.ErrNotExist) {
		return close, nil
	}
	var streams []string
	if err == nil {
		err = json.Unmarshal(b, &streams)
	}
	if err != nil {
		return close, fault.New(fault.CRIU, "", fmt.Errorf("read %s: %w", descriptorsFile, err))
	}
	for fd, file := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if fd >= len(streams) {
			break
		}
		key := streams[fd]
		if name, path, ok := fileKey(key); ok {
			key = name
			again, err := reopen(path)
			switch {
			case err == nil:
				file = again
				opened = append(opened, file)
			case !errors.Is(err, os.ErrNotExist):
				return close, fault.New(fault.CRIU, "", fmt.Errorf("open what descriptor %d led to: %w", fd, err))
			}
		} else if !strings.HasPrefix(key, pipePrefix) {
			continue
		}
		c.opts.InheritFd = append(c.opts.InheritFd, &rpc.InheritFd{Key: &key, Fd: ptr(c.inherit(file))})
	}
	return close, nil
}

// reopen opens a file for whatever may be allowed.
func reopen(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return os.Open(path)
	}
	return f, err
}
