// A traced program that does what its standard input says, one command per line, and answers each with one line.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

unsigned short t_hit_semaphore __attribute__((section(".probes"), used));
unsigned short t_text_semaphore __attribute__((section(".probes"), used));
unsigned short t_other_semaphore __attribute__((section(".probes"), used));

__attribute__((noinline)) void hit(long n) {
  for (long i = 0; i < n; i++) STAP_PROBE2(t, hit, i, i * 3);
}

__attribute__((noinline)) void hit_elsewhere(long n) {
  for (long i = 0; i < n; i++) STAP_PROBE2(t, hit, i, i * 5);
}

__attribute__((noinline)) void other(long n) {
  for (long i = 0; i < n; i++) STAP_PROBE1(t, other, i);
}

__attribute__((noinline)) long plain(long n) {
  asm volatile("");
  return n + 1;
}

static void *thread(void *n) {
  hit((long)n);
  return NULL;
}

static void *commands(void *unused) {
  char line[4096], word[4096];
  long n, m;
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "hit %ld", &n) == 1) {
      hit(n);
    } else if (sscanf(line, "elsewhere %ld", &n) == 1) {
      hit_elsewhere(n);
    } else if (sscanf(line, "other %ld", &n) == 1) {
      other(n);
    } else if (sscanf(line, "plain %ld", &n) == 1) {
      for (long i = 0; i < n; i++) plain(i);
    } else if (sscanf(line, "threads %ld %ld", &m, &n) == 2) {
      pthread_t threads[64];
      for (long i = 0; i < m && i < 64; i++) pthread_create(&threads[i], NULL, thread, (void *)n);
      for (long i = 0; i < m && i < 64; i++) pthread_join(threads[i], NULL);
    } else if (sscanf(line, "text %4095s", word) == 1) {
      // The file's page is in the page cache, but not yet in this process.
      int fd = open(word, O_RDONLY);
      char *text = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
      STAP_PROBE1(t, text, text);
      printf("%s\n", text == MAP_FAILED ? "failed" : "done");
      continue;
    } else if (!strncmp(line, "end main thread", 15)) {
      // From now on another thread does the work.
      pthread_t thread;
      puts("done");
      pthread_create(&thread, NULL, commands, NULL);
      pthread_exit(NULL);
    } else {
      break;
    }
    puts("done");
  }
  exit(0);
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  commands(NULL);
}
