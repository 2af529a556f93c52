package io.meanstream.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.Stores;

/**
 * Restores a store from the changelog of its name, and says how many records it took and how long: from the first call of its
 * restore listener to the last, so without joining the group. Tuned as the pipeline's peer: exactly_once_v2, large fetches and polls, checksums on.
 */
public final class Restore {
  private Restore() {}

  public static void main(String[] args) throws Exception {
    Map<String, String> given = Options.of(args);
    Topology topology = new Topology();
    topology.addSource(
        "input", new ByteArrayDeserializer(), new ByteArrayDeserializer(), given.get("input"));
    topology.addProcessor("keep", Keep::new, "input");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(given.get("store")),
            Serdes.ByteArray(),
            Serdes.ByteArray()),
        "keep");
    KafkaStreams streams = new KafkaStreams(topology, properties(given));
    Clock clock = new Clock();
    streams.setGlobalStateRestoreListener(clock);
    streams.start();
    clock.ended.await();
    System.out.printf(
        Locale.ROOT,
        "{\"records\":%d,\"seconds\":%.4f,\"cpuSeconds\":%.4f}%n",
        clock.restored.get(),
        clock.ns / 1e9,
        clock.cpuNs / 1e9);
    streams.close(Duration.ofSeconds(20));
  }

  private static Properties properties(Map<String, String> given) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("application"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("bootstrap"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, given.get("state"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
    // Or the next run would wait until this one's member is missed.
    properties.put(StreamsConfig.mainConsumerPrefix("internal.leave.group.on.close"), true);
    properties.put(restoring(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "20000");
    properties.put(restoring(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "8388608");
    properties.put(restoring(ConsumerConfig.CHECK_CRCS_CONFIG), "true");
    return properties;
  }

  private static String restoring(String name) {
    return StreamsConfig.restoreConsumerPrefix(name);
  }

  private static final class Keep implements Processor<byte[], byte[], Void, Void> {
    @Override
    public void process(Record<byte[], byte[]> record) {}
  }

  private static final class Clock implements StateRestoreListener {
    final AtomicLong restored = new AtomicLong();
    final CountDownLatch ended = new CountDownLatch(1);
    private final OperatingSystemMXBean machine =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    volatile long ns;
    volatile long cpuNs;

    @Override
    public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
      ns = -System.nanoTime();
      cpuNs = -machine.getProcessCpuTime();
    }

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long count) {
      restored.addAndGet(count);
    }

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long total) {
      ns += System.nanoTime();
      cpuNs += machine.getProcessCpuTime();
      ended.countDown();
    }
  }
}
