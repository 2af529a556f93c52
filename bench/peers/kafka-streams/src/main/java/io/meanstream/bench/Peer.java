package io.meanstream.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * Points from one topic to assignments on another, as somebody who knows Kafka Streams would write it.
 *
 * <p>What it is spared, beside what Meanstream does: each task learns for itself (no deltas through a topic, no model that all
 * tasks share), the first centroids are given, features are not scaled, and nothing is summed up for drift detectors.
 *
 * <p>Tuned: bytes all the way (no serdes per field, no object per vector), large fetches, batches and buffers, the
 * parallel collector, a kernel whose inner loop the JIT compiler turns into vector instructions.
 */
public final class Peer {
  static final String CENTROIDS = "centroids";

  private Peer() {}

  public static void main(String[] args) throws Exception {
    Map<String, String> given = Options.of(args);
    int dims = Integer.parseInt(given.get("dims"));
    int k = Integer.parseInt(given.get("k"));
    float[] centroids = floats(Path.of(given.get("centroids")), k * dims);
    PointFormat format = PointFormat.valueOf(given.get("format"));
    StoreBuilder<KeyValueStore<Integer, byte[]>> store =
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(CENTROIDS), Serdes.Integer(), Serdes.ByteArray());
    Topology topology = new Topology();
    topology.addSource(
        "points", new ByteArrayDeserializer(), new ByteArrayDeserializer(), given.get("input"));
    topology.addProcessor(
        "assign", () -> new AssignPoints(new OnlineModel(centroids, k, dims), format), "points");
    topology.addStateStore(store, "assign");
    topology.addSink(
        "assignments",
        given.get("output"),
        new ByteArraySerializer(),
        new ByteArraySerializer(),
        "assign");
    KafkaStreams streams = new KafkaStreams(topology, properties(given));
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
    streams.start();
  }

  private static Properties properties(Map<String, String> given) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("application"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("bootstrap"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, given.get("state"));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, given.get("guarantee"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, given.get("threads"));
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, given.get("commit"));
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
    properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "20000");
    properties.put(consumer(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    properties.put(consumer(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
    properties.put(consumer(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "20000");
    properties.put(consumer(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "4194304");
    properties.put(consumer(ConsumerConfig.CHECK_CRCS_CONFIG), "true");
    properties.put(producer(ProducerConfig.BATCH_SIZE_CONFIG), "524288");
    properties.put(producer(ProducerConfig.BUFFER_MEMORY_CONFIG), "134217728");
    return properties;
  }

  private static String consumer(String name) {
    return StreamsConfig.mainConsumerPrefix(name);
  }

  private static String producer(String name) {
    return StreamsConfig.producerPrefix(name);
  }

  private static float[] floats(Path file, int count) throws Exception {
    float[] values = new float[count];
    ByteBuffer.wrap(Files.readAllBytes(file))
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .get(values);
    return values;
  }
}
